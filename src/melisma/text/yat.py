"""How a speaker of Bosnian, Croatian or Serbian says the old vowel yat: mlijeko, mleko or mliko.

Words that all three write differently tell the pronunciation; those that one of them shares with another word (bilo,
lipa, pisma, svet, vremena) are left out. A few words of a speaker are enough, a single line of a song may have none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

from melisma.text import transliterate

IJEKAVIAN, EKAVIAN, IKAVIAN = "ijekavian", "ekavian", "ikavian"
MIXED = "mixed"
LANGUAGES = frozenset({"bs", "hr", "sr", "sh", "cnr"})
_LEAST = 2  # words that a guess rests on
_CLEAR = 3.0  # times as many of one kind as of all others

# Ijekavian, ekavian, ikavian; "-" where the word is another one's too, "/" before the endings that follow each stem.
_WORDS = """
mlijek/o/a/u/om mlek mlik
dijete dete dite
djetet/a/u/om detet ditet
djec/a/e/u/om/o dec dic
lijep/o/a/i/e/u/og/im/oj lep -
ljepot/a/e/u/om/o lepot lipot
bijel/o/a/i/e/u/og/im/oj bel -
vrijeme vreme vrime
pjesm/a/e/u/om/ama/o pesm -
pjesam/a pesam -
mjest/o/a/u/ima mest mist
čovjek/a/u/om čovek čovik
čovjek čovek čovik
djevojk/a/e/u/om/o/ama devojk divojk
djevojčic/a/e/u/o devojčic divojčic
gdje gde gdi
ovdje ovde ovdi
ondje onde -
negdje negde -
nigdje nigde nigdi
svugdje svugde svugdi
uvijek uvek uvik
prije pre -
poslije posle -
dvije dve dvi
obje obe -
snijeg/a/u/om sneg snig
snijeg sneg snig
zvijezd/a/e/u/o/ama zvezd zvizd
cvijet/a/u cvet cvit
cvijet cvet cvit
cvijeće cveće cviće
rijek/a/e/u/om/ama rek -
riječ/i/ju/ima reč rič
riječ reč rič
ljeto leto lito
ljetos letos litos
ljet/nja/nje/nji let lit
tijel/o/a/u/om tel til
nedjelj/a/e/u/om nedelj nedilj
ponedjelj/ak/ka/kom ponedelj ponedilj
mjesec/a/u/om/i/ima mesec misec
mjesec mesec misec
vjetar vetar vitar
vjetr/a/u/om/ovi vetr vitr
vjer/ujem/uješ/uje/ujemo/uju/uj/ovati/ovao/ovala ver vir
nevjer/a/e/u/an/na never nevir
pjev/am/aš/a/amo/ate/aju/ati/ao/ala/aj pev piv
sjeć/am/aš/a/amo/anje/anja/aju seć sić
sjedi sedi sidi
sjed/im/iš/imo/e sed sid
bjež/i/im/iš/imo/ati bež biž
voljela volela volila
voljel/i/o/e volel -
voljeti voleti -
htjel/a/i/o/e htel -
htio hteo -
željel/a/i/o/e želel -
vidjel/a/i/o/e videl -
vidjeti videti -
živjel/a/i/o/e živel -
živjeti živeti -
razumjeti razumeti -
razumijem razumem -
razumiješ razumeš -
smijeh/a/u smeh smih
smijeh smeh smih
grijeh/a/u/e/ova greh grih
grijeh greh grih
vijek/a/u/om/ova vek -
brijeg/a/u breg brig
brijeg breg brig
lijevo levo livo
lijev/a/i/e/u/oj/om lev liv
lijek/a/u/ovi/ova lek -
slijep/a/i/o/e slep slip
cijel/a/i/o/e/u/og/om/oj/im cel cil
cijen/a/e/u/om cen cin
svijet/u/om/ovi - svit
svjetl/o/a/ost/osti/u svetl svitl
zapovijed zapoved zapovid
ponijeti poneti poniti
donijeti doneti doniti
umrijeti umreti -
nijem/a/i/o/e nem nim
dijelov/i/a/e delov dilov
dio deo -
djel/o/a/u/ima del dil
vrijed/i/im/iš/e/nost/nosti vred vrid
sljedeć/i/a/e/u/eg/em sledeć slideć
mjer/a/e/u/om/ama mer -
rješenj/e/a/u rešenj rišenj
primjer/a/u/i primer primir
primjer primer primir
zamjen/a/e/u/om zamen -
tjera/m/š/ti/o/la/ju tera tira
povijest/i povest povist
osjeć/am/aš/a/aj/aja/ati/amo/aju oseć osić
osjet/im/i/iti/io/ila oset -
sjever/a/u/no sever siver
sjever sever siver
ljepš/i/a/e/eg lepš lipš
bijed/a/e/u/an/na bed -
"""


@cache
def _forms() -> dict[str, set[tuple[str, str]]]:
    """Return what each word may be: its pronunciation, and the ijekavian word that it stands for."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in _WORDS.split("\n"):
        if not row:
            continue
        first, *others = row.split()
        stem, *endings = first.split("/")
        for kind, root in zip((IJEKAVIAN, EKAVIAN, IKAVIAN), (stem, *others), strict=True):
            for ending in endings or [""]:
                if root != "-":
                    found.setdefault(root + ending, set()).add((kind, stem + ending))
    return found


@cache
def _table() -> dict[str, str]:
    kinds = {word: {kind for kind, _ in forms} for word, forms in _forms().items()}
    return {word: found.pop() for word, found in kinds.items() if len(found) == 1}


# Inside a word, behind a consonant; at the end it is an ending more often (nije, Marije, polje).
_YAT = re.compile(r"(?<=[bcčćdđfghklmnprsštvzž])i?je(?=[a-zčćđšž])")
_PRONOUNS = frozenset({"njega", "njemu"})  # him, not nega and nemu: care, and mute


def variant_kinds(said: str, heard: str) -> tuple[str, str] | None:
    """Return the pronunciations of two words that differ in that of yat and in nothing else; None for any others.

    The words of the table above are told in all three pronunciations. Any other word is told by its ije or je behind a
    consonant, for which the other one has e.

    Parameters
    ----------
    said, heard : str
        Small Latin letters, as `melisma.text.scoring.folded` has them.

    Examples
    --------
    >>> variant_kinds("mlijeko", "mleko"), variant_kinds("leta", "ljeta"), variant_kinds("dio", "deo")
    (('ijekavian', 'ekavian'), ('ekavian', 'ijekavian'), ('ijekavian', 'ekavian'))
    >>> variant_kinds("nije", "ne"), variant_kinds("mlijeko", "mljeko"), variant_kinds("mleko", "meko")
    (None, None, None)
    """
    if said == heard:
        return None
    one, other = _forms().get(said, set()), _forms().get(heard, set())
    for kind, word in sorted(one):
        for another, same in sorted(other):
            if word == same and kind != another:
                return kind, another
    if said not in _PRONOUNS and _YAT.sub("e", said) == heard:
        return IJEKAVIAN, EKAVIAN
    if heard not in _PRONOUNS and _YAT.sub("e", heard) == said:
        return EKAVIAN, IJEKAVIAN
    return None


def count(text: str) -> Counter[str]:
    """Count the words of a text that tell each pronunciation.

    >>> sorted(count("Uvijek ista pjesma o rijeci. Где је млеко?").items())
    [('ekavian', 2), ('ijekavian', 2)]
    """
    plain = transliterate.to_latin(unicodedata.normalize("NFC", text)).lower()
    table = _table()
    return Counter(kind for word in re.findall(r"[a-zčćđšž]+", plain) if (kind := table.get(word)))


def guess(words: Counter[str]) -> str | None:
    """Return the pronunciation that counted words tell, `MIXED` for no clear one, None where there are too few.

    >>> guess(count("lijepa djevojka")), guess(count("lepa devojka")), guess(count("lijepa devojka"))
    ('ijekavian', 'ekavian', 'mixed')
    """
    total = sum(words.values())
    if total < _LEAST:
        return None
    kind, most = words.most_common(1)[0]
    return kind if most >= _CLEAR * (total - most) else MIXED
