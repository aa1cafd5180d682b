"""Write what follows from the manifests of ``deploy/kubernetes`` (``python deploy/manifests.py``).

With ``--check`` it only compares.

The manifests are the one source. The operator has them word for word, the definition of its resource follows from what
it reads, and the Helm chart has the same lines with its values in them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel

from tiltyard._version import __version__
from tiltyard.cluster.build_objects import CHECKSUM, GATED_TRAINING, IMAGE, MANUAL_TRAINING, read_manifests
from tiltyard.cluster.crd import describe_values, make_crd
from tiltyard.cluster.spec import (
    LONGEST_NAME,
    NAME_PATTERN,
    RESERVED_LABELS,
    RESERVED_VARIABLES,
    Autoscaling,
    ModelSpec,
    Stream,
)

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "deploy" / "kubernetes"
PACKAGED = ROOT / "src" / "tiltyard" / "cluster" / "manifests"
BASE = ("api", "configuration", "console", "loop", "network")
COMPONENTS = ("autoscaling", "batch", "cron", "identity-eks", "identity-gke", "ingress", "stream", "training")
CHART = ROOT / "deploy" / "helm" / "tiltyard"
_MADE = "# Made by python deploy/manifests.py: change src/tiltyard/cluster/spec.py, and run it.\n"


def find_source(part: str) -> Path:
    """The file of a part of the manifests."""
    return SOURCE / ("base" if part in BASE else f"components/{part}") / f"{part}.yaml"


def make_files() -> dict[Path, str]:
    """All files that follow, with their texts."""
    files = {PACKAGED / f"{part}.yaml": find_source(part).read_text("utf-8") for part in (*BASE, *COMPONENTS)}
    files[SOURCE / "operator" / "definition.yaml"] = _MADE + write_yaml(make_crd())
    return {**files, **make_chart()}


def write_yaml(value: object) -> str:
    """YAML in the order of the value, without references."""

    class Plain(yaml.SafeDumper):  # type: ignore[misc]
        """Writes what is there twice twice."""

        def ignore_aliases(self, _data: object) -> bool:
            """Make no references."""
            return True

    return str(yaml.dump(value, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120))


NAME = '{{ include "tiltyard.name" . }}'
# A name of ours: a whole value, or the host of an address in the cluster; words in commands and folders are none.
_OWN_NAME = re.compile(r'(?<![\w./"\'-])(http://)?tiltyard(?=(?:-[a-z][a-z-]*)?(?:\s*$|[,\]}]))')
_POD_LABEL = re.compile(r"^( {8}| {12})app\.kubernetes\.io/part-of: tiltyard$", re.MULTILINE)
_SECRET = re.compile(r"(- secretRef:\n +name: )tiltyard$", re.MULTILINE)
_MOUNT = re.compile(r"^( +)- name: tmp\n +mountPath: /tmp$", re.MULTILINE)
_VOLUME = re.compile(r"^( +)- name: tmp\n +emptyDir: \{\}$", re.MULTILINE)
_TEMPLATE = re.compile(r"^  template:\n    metadata:$", re.MULTILINE)

CONDITIONS = {
    "loop": "not .Values.schedules.monitoring",
    "cron": ".Values.schedules.monitoring",
    "console": ".Values.console",
    "stream": 'kindIs "map" .Values.stream',
    "batch": ".Values.schedules.batch",
    "training": ".Values.schedules.training",
    "autoscaling": 'kindIs "map" .Values.autoscaling',
    "ingress": 'kindIs "map" .Values.ingress',
    "identity-eks": 'eq (.Values.identity.agent | default "") "EKS"',
    "identity-gke": 'eq (.Values.identity.agent | default "") "GKE"',
}
"""When a part is there; the others always are. A part without own values, such as stream: {}, is there too."""


def _schedule(part: str) -> str:
    return f"\\1{{{{ .Values.schedules.{part} | quote }}}}\n  timeZone: {{{{ .Values.schedules.timeZone | quote }}}}"


def _option(part: str, key: str) -> str:
    """A value with the default that the specification has."""
    parts: dict[str, type[BaseModel]] = {"autoscaling": Autoscaling, "stream": Stream}
    field = parts[part].model_fields[key]
    return f"{{{{ .Values.{part}.{field.alias} | default {field.default} }}}}"


_QUEUE = """\
    {{- with .Values.autoscaling.queueInputs }}
    - type: Pods
      pods:
        metric:
          name: tiltyard_queue_inputs
        target:
          type: AverageValue
          averageValue: {{ . | quote }}
    {{- end }}
"""
# What stands in a part, as a regular expression, and what the chart has in its place.
_CRON = r"^(  schedule: )\".*\"$"
CHANGES: dict[str, list[tuple[str, str]]] = {
    "api": [
        (
            r"^  replicas: 3\n",
            '  {{- if not (kindIs "map" .Values.autoscaling) }}\n  replicas: {{ .Values.replicas }}\n  {{- end }}\n',
        ),
        (r"storage: 10Gi$", "storage: {{ .Values.storage.size }}"),
        (
            r"^        accessModes: ",
            "        {{- with .Values.storage.className }}\n        storageClassName: {{ . }}\n        {{- end }}\n"
            "        accessModes: ",
        ),
    ],
    "configuration": [
        (r"^data:\n(?:  .*\n)+", 'data:\n  {{- include "tiltyard.configuration" . | nindent 2 }}\n'),
        (
            r"^automountServiceAccountToken",
            "  {{- with .Values.identity.annotations }}\n  annotations:\n"
            "    {{- toYaml . | nindent 4 }}\n  {{- end }}\n"
            "automountServiceAccountToken",
        ),
        (r"\Z", '{{- with .Values.project }}\n---\n{{ include "tiltyard.project-file" $ }}\n{{- end }}\n'),
    ],
    "cron": [(_CRON, _schedule("monitoring"))],
    "batch": [(_CRON, _schedule("batch"))],
    "training": [
        (_CRON, _schedule("training")),
        (
            re.escape(GATED_TRAINING),
            f'{{{{ if eq .Values.promotion "Manual" }}}}{MANUAL_TRAINING}{{{{ else }}}}{GATED_TRAINING}{{{{ end }}}}',
        ),
    ],
    "stream": [(r"^  replicas: 2$", f"  replicas: {_option('stream', 'replicas')}")],
    "autoscaling": [
        (r"minReplicas: 3$", f"minReplicas: {_option('autoscaling', 'min_replicas')}"),
        (r"maxReplicas: 9$", f"maxReplicas: {_option('autoscaling', 'max_replicas')}"),
        (r"averageUtilization: 70$", f"averageUtilization: {_option('autoscaling', 'cpu_percent')}"),
        (r"^  behavior:$", _QUEUE + "  behavior:"),
    ],
    "ingress": [
        (
            r"^spec:\n  tls:\n    - hosts: \[tiltyard.example.org\]\n      secretName: tiltyard-tls\n",
            "  {{- with .Values.ingress.annotations }}\n  annotations:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n"
            "spec:\n  {{- with .Values.ingress.className }}\n  ingressClassName: {{ . }}\n  {{- end }}\n"
            "  {{- with .Values.ingress.tlsSecret }}\n  tls:\n    - hosts: [{{ $.Values.ingress.host | quote }}]\n"
            "      secretName: {{ . }}\n  {{- end }}\n",
        ),
        (r"host: tiltyard.example.org$", "host: {{ .Values.ingress.host | quote }}"),
    ],
}


def make_template(part: str) -> str:
    """The template of a part of the manifests.

    Raises:
        ValueError: the manifest has changed, and the chart does not know how.
    """
    text = find_source(part).read_text("utf-8")
    for pattern, written in CHANGES.get(part, ()):
        text, count = re.subn(
            pattern, written if "\\1" in written else written.replace("\\", "\\\\"), text, flags=re.MULTILINE
        )
        if count != 1:
            raise ValueError(f"{part}.yaml has {count} times what the chart replaces: {pattern}")
    text = _POD_LABEL.sub(_after(r"{{- with .Values.identity.podLabels }}", "toYaml .", "{{- end }}"), text)
    text = _SECRET.sub(r"\1{{ .Values.secret | default (include \"tiltyard.name\" .) }}".replace('\\"', '"'), text)
    text = text.replace("secretName: tiltyard-api-keys", 'secretName: {{ include "tiltyard.api-keys" . }}')
    text = text.replace(f"image: {IMAGE}", "image: {{ .Values.image }}")
    text = _MOUNT.sub(_after("{{- with .Values.project }}", 'include "tiltyard.project-mount" $', "{{- end }}"), text)
    text = _VOLUME.sub(_after("{{- with .Values.project }}", 'include "tiltyard.project-volume" $', "{{- end }}"), text)
    checksum = f'      annotations:\n        {CHECKSUM}: {{{{ include "tiltyard.checksum" . }}}}'
    text = _TEMPLATE.sub(lambda found: f"{found[0]}\n{checksum}", text)
    lines = [line if line.lstrip().startswith("#") else _OWN_NAME.sub(rf"\1{NAME}", line) for line in text.split("\n")]
    text = "\n".join(lines).rstrip("\n") + "\n"
    condition = CONDITIONS.get(part)
    said = f"{{{{- /* Made by python deploy/manifests.py of {find_source(part).relative_to(ROOT)}. */ -}}}}\n"
    return said + (f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n" if condition else text)


def _after(begin: str, inner: str, end: str) -> Callable[[re.Match[str]], str]:
    """Puts lines after what was found, at its depth."""

    def write(found: re.Match[str]) -> str:
        depth = found[1]
        return f"{found[0]}\n{depth}{begin}\n{depth}{{{{- {inner} | nindent {len(depth)} }}}}\n{depth}{end}"

    return write


def make_helpers() -> str:
    """The named parts that templates use."""
    (configuration,) = (item for item in read_manifests("configuration") if item["kind"] == "ConfigMap")
    pairs = " ".join(f'"{key}" "{value}"' for key, value in configuration["data"].items())
    return f"""\
{{{{- /* Made by python deploy/manifests.py. */ -}}}}
{{{{- define "tiltyard.name" -}}}}
{{{{ .Values.name | default .Release.Name }}}}
{{{{- end }}}}

{{{{- define "tiltyard.api-keys" -}}}}
{{{{ .Values.apiKeysSecret | default (printf "%s-api-keys" (include "tiltyard.name" .)) }}}}
{{{{- end }}}}

{{{{- define "tiltyard.configuration" -}}}}
{{{{ toYaml (mergeOverwrite (dict {pairs}) (.Values.configuration | default dict)) }}}}
{{{{- end }}}}

{{{{- define "tiltyard.checksum" -}}}}
{{{{ printf "%s%s" (include "tiltyard.configuration" .) (.Values.project | default "") | sha256sum | trunc 16 }}}}
{{{{- end }}}}

{{{{- define "tiltyard.project-file" -}}}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {NAME}-project
  labels:
    app.kubernetes.io/part-of: {NAME}
data:
  tiltyard.toml: {{{{ .Values.project | toJson }}}}
{{{{- end }}}}

{{{{- define "tiltyard.project-mount" -}}}}
- name: project
  mountPath: /project/tiltyard.toml
  subPath: tiltyard.toml
  readOnly: true
{{{{- end }}}}

{{{{- define "tiltyard.project-volume" -}}}}
- name: project
  configMap:
    name: {NAME}-project
{{{{- end }}}}
"""


def make_values() -> str:
    """The values with their defaults, each with its description."""
    lines = [
        "# Made by python deploy/manifests.py: the same values as the resource TiltyardModel has.",
        "",
        "# Name of all objects; default: that of the release.",
        'name: ""',
    ]
    for name, field in ModelSpec.model_fields.items():
        key = field.alias or name
        if key == "rollout":  # what the operator does
            continue
        lines += ["", f"# {field.description}"]
        if field.is_required():
            lines.append(f'{key}: ""')
        elif isinstance(field.default, BaseModel):
            lines.append(f"{key}:")
            for inner, part in type(field.default).model_fields.items():
                lines.append(f"  # {part.description}")
                lines.append(f"  {part.alias or inner}: {json.dumps(part.get_default(call_default_factory=True))}")
        else:
            lines.append(f"{key}: {json.dumps(field.get_default(call_default_factory=True))}")
    return "\n".join(lines) + "\n"


def make_values_schema() -> str:
    """What values may be: unknown ones are refused."""

    def convert(schema: dict[str, Any], *, optional: bool) -> dict[str, Any]:
        found = {key: value for key, value in schema.items() if not key.startswith("x-")}
        if "properties" in found:
            required = found.get("required", [])
            inner = found["properties"].items()
            found["properties"] = {key: convert(part, optional=key not in required) for key, part in inner}
            found["additionalProperties"] = False
        if optional and "default" not in found:
            found["type"] = [found["type"], "null"]
            if "enum" in found:
                found["enum"] = [*found["enum"], None]
        return found

    schema = convert(describe_values(ModelSpec), optional=False)
    del schema["properties"]["rollout"]
    about = "Name of all objects; default: that of the release."
    pattern = f"^({NAME_PATTERN.strip('^$')})?$"
    name = {"type": "string", "maxLength": LONGEST_NAME, "pattern": pattern, "description": about}
    schema["properties"] = {"name": name, "global": {}, **schema["properties"]}
    labels = schema["properties"]["identity"]["properties"]["podLabels"]
    labels["propertyNames"] = {"not": {"pattern": f"^{re.escape(RESERVED_LABELS)}"}}
    schema["properties"]["configuration"]["propertyNames"] = {"not": {"enum": list(RESERVED_VARIABLES)}}
    return (
        json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **schema}, indent=2, ensure_ascii=False)
        + "\n"
    )


def make_chart() -> dict[Path, str]:
    """The files of the Helm chart."""
    about = {
        "apiVersion": "v2",
        "name": "tiltyard",
        "description": "Keeps a model alive in production: serves, records, monitors, retrains and promotes it.",
        "type": "application",
        "version": __version__,
        "appVersion": __version__,
        "kubeVersion": ">=1.28.0-0",
    }
    files = {CHART / "templates" / f"{part}.yaml": make_template(part) for part in (*BASE, *COMPONENTS)}
    files[CHART / "Chart.yaml"] = "# Made by python deploy/manifests.py.\n" + write_yaml(about)
    files[CHART / "values.yaml"] = make_values()
    files[CHART / "values.schema.json"] = make_values_schema()
    files[CHART / "templates" / "_names.tpl"] = make_helpers()
    return files


def main() -> int:
    """Write the files, or name those that are not up to date."""
    old = [file for file, text in make_files().items() if not file.exists() or file.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for file in old:
            print(f"{file.relative_to(ROOT)} is not up to date: run python deploy/manifests.py", file=sys.stderr)
        return int(bool(old))
    for file in old:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(make_files()[file], encoding="utf-8")
        print(file.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
