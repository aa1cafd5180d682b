"""How text models predict a batch."""
