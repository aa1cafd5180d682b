"""Tables that are scored and versions that are trained by themselves: on a schedule, or when something new is there."""
