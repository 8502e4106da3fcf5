"""Words to sing. All of them were written for Melisma and are under its licence; none is taken from a published song.

`DEMO` holds whole songs for the demo. `PHRASES` holds openings and endings of lines that fit together in any pairing,
for songs of any length in nineteen languages.
"""

from __future__ import annotations

from dataclasses import dataclass

from melisma.synth import phrases


@dataclass(frozen=True, slots=True)
class SongText:
    """The words of a whole song, a sung line each, with an empty line between stanzas."""

    language: str
    title: str
    lines: tuple[str, ...]


DEMO = (
    SongText(
        "en",
        "Silver Rain",
        (
            *("Morning opens like a window", "Silver rain is on the hill"),
            *("All the little birds are singing", "And the river is not still"),
            "",
            *("Carry me over the water", "Carry me home to the sea"),
        ),
    ),
    SongText(
        "fr",
        "Sur la plage",
        (
            *("Le soleil descend sur la plage", "Et le vent chante doucement"),
            *("Je regarde passer les nuages", "Comme un bateau sur l'océan"),
            "",
            *("Donne-moi la main dans la nuit", "Le matin viendra sans un bruit"),
        ),
    ),
    SongText(
        "hr",
        "Tiho pada kiša",
        (
            *("Tiho pada kiša na grad", "Svjetla gore cijelu noć"),
            *("Moje srce pjeva i sad", "Sutra rano moram poći"),
            "",
            *("Sunce izlazi nad morem", "Nosi mene bijeli brod"),
        ),
    ),
)

PHRASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        (
            *("I was walking home alone", "We were dancing in the rain", "You are waiting by the door"),
            *("Summer came to say goodbye", "Every window holds a light", "Nobody remembers now"),
            *("Tell me what the river said", "Leave the lantern burning low", "Somewhere far away a bell"),
            *("Bring me back a little song", "Many winters I have known", "Let the evening take its time"),
        ),
        (
            *("under the yellow moon", "before the day is done", "and the wind is turning cold"),
            *("where the old road ends", "with a feather in my hand", "while the city is asleep"),
            *("until the morning comes", "over the quiet fields", "and I follow after you"),
            *("like a story never told", "beside the silver lake", "and the children laugh again"),
        ),
    ),
    "fr": (
        (
            *("Je marchais seul dans la ville", "Nous dansions sous la pluie", "Tu m'attends devant la porte"),
            *("L'été s'en va sans rien dire", "Chaque fenêtre est une étoile", "Personne ne se souvient"),
            *("Dis-moi ce que dit la rivière", "Laisse brûler la lanterne", "Une cloche sonne au loin"),
            *("Chante encore un peu pour moi", "J'ai connu tous les hivers", "Le soir descend lentement"),
        ),
        (
            *("avant la fin du jour", "et le vent devient froid", "là où finit la route"),
            *("une plume dans la main", "quand la ville est endormie", "jusqu'au petit matin"),
            *("au-dessus des collines", "et je pars avec toi", "comme un rêve oublié"),
            *("près du lac argenté", "et les enfants sourient", "sous la lune dorée"),
        ),
    ),
    "hr": (
        (
            *("Sam sam hodao kući", "Mi smo plesali po kiši", "Ti me čekaš ispred vrata"),
            *("Ljeto odlazi bez riječi", "Svaki prozor ima svjetlo", "Nitko više ne zna za nas"),
            *("Reci što ti rijeka kaže", "Pusti neka lampa gori", "Negdje daleko zvono zvoni"),
            *("Pjevaj meni još malo", "Mnoge zime sam prošao", "Večer dolazi polako"),
        ),
        (
            *("ispod žutog mjeseca", "prije nego svane dan", "i vjetar puše hladan"),
            *("tamo gdje put završava", "i nosim pero u ruci", "dok cijeli grad još spava"),
            *("sve do ranog jutra", "iznad tihih polja", "i idem za tobom"),
            *("kao priča bez kraja", "pokraj srebrnog jezera", "i djeca se opet smiju"),
        ),
    ),
    "de": (
        (
            *("Ich ging allein nach Hause", "Wir tanzten durch den Regen", "Du wartest an der Türe"),
            *("Der Sommer geht so leise", "In jedem Fenster Kerzen", "Niemand weiß noch davon"),
            *("Sag mir, was der Fluss erzählt", "Lass die Lampe weiter brennen", "Eine Glocke klingt von fern"),
        ),
        (
            *("unter dem gelben Mond", "bevor der Tag vergeht", "und der Wind wird kalt"),
            *("wo die alte Straße endet", "mit einer Feder in der Hand", "wenn die Stadt schon schläft"),
            *("bis der Morgen kommt", "über den stillen Feldern", "und ich folge dir"),
        ),
    ),
    "es": (
        (
            *("Yo caminaba solo a casa", "Bailamos bajo la lluvia", "Me esperas en la puerta"),
            *("El verano se despide", "Cada ventana es una estrella", "Nadie recuerda nada"),
            *("Dime lo que dice el río", "Deja la lámpara encendida", "Una campana suena lejos"),
        ),
        (
            *("bajo la luna amarilla", "antes de que acabe el día", "y el viento se vuelve frío"),
            *("donde termina el camino", "con una pluma en la mano", "cuando la ciudad duerme"),
            *("hasta la madrugada", "sobre los campos tranquilos", "y yo me voy contigo"),
        ),
    ),
    "it": (
        (
            *("Tornavo a casa da solo", "Ballavamo sotto la pioggia", "Mi aspetti davanti alla porta"),
            *("L'estate se ne va piano", "Ogni finestra ha una luce", "Nessuno si ricorda"),
            *("Dimmi cosa dice il fiume", "Lascia la lampada accesa", "Una campana suona lontano"),
        ),
        (
            *("sotto la luna gialla", "prima che finisca il giorno", "e il vento diventa freddo"),
            *("dove finisce la strada", "con una piuma nella mano", "quando la città dorme"),
            *("fino al mattino", "sopra i campi tranquilli", "e io vengo con te"),
        ),
    ),
    **phrases.MORE,
}
