#!/usr/bin/env bash
# charset-normalizer 3.5.3: a small table of Western names, written as Latin-1 or Windows-1252, is read as a DOS code page.
#
# What one would guess: `from_bytes(data).best()` names Latin-1 (or Windows-1252, which agrees with it on these bytes) for
# "José", "Málaga", "Köln" written in it; tables that people save from spreadsheets are nearly always in one of the two.
# What happens: with three short rows it answers cp775 (Baltic DOS), with a euro sign cp437 (US DOS): every accented letter
# comes out as another character, without an error or a low score that would warn. Polish in Windows-1250 is answered with
# Windows-1252. Longer German prose comes out right (as cp1250, which agrees on its letters). With `cp_isolation` set to
# the encodings that files of one's users can be in, the small tables come out right.
# Seen with Python 3.11 on Linux: see the lines that the program prints. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check charset-normalizer==3.5.3
"$folder/venv/bin/python" - <<'PY'
from charset_normalizer import from_bytes

NAMES = "name;city;fee\nJosé;Málaga;12,5\nZoë;Köln;3,1\nRené;Besançon;4\n"
EURO = "name;fee\nAnna;12 €\nBjörn;5 €\n"
POLISH = "tekst,etykieta\n" + "Ten film był świetny i zachwycający,dobry\nZupełnie żałosna nuda,zły\n" * 20
GERMAN = "text,label\n" + "Der Film war schön und die Musik großartig,gut\nÜbel langweilig für mich,schlecht\n" * 20
LIKELY = ["utf_8", "cp1252", "latin_1", "cp1250"]


def detect(text, encoding, **options):
    best = from_bytes(text.encode(encoding), **options).best()
    return best.encoding, str(best) == text


found = {
    "names in Latin-1": detect(NAMES, "latin-1"),
    "a euro sign in Windows-1252": detect(EURO, "cp1252"),
    "Polish in Windows-1250": detect(POLISH, "cp1250"),
    "German in Latin-1": detect(GERMAN, "latin-1"),
}
isolated = detect(NAMES, "latin-1", cp_isolation=LIKELY)
for what, (encoding, right) in found.items():
    print(f"{what}: {encoding}, {'the same text' if right else 'another text'}")
print(f"names in Latin-1, among likely encodings only: {isolated[0]}, {'the same text' if isolated[1] else 'another text'}")
assert found["names in Latin-1"] == ("cp775", False)
assert found["a euro sign in Windows-1252"] == ("cp437", False)
assert found["Polish in Windows-1250"] == ("cp1252", False)
assert found["German in Latin-1"][1]
assert isolated[1]
PY
