"""Openings and endings of lines in thirteen more languages, written for Melisma like those of `words`."""

from __future__ import annotations

MORE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pt": (
        (
            *("Eu voltava sozinho para casa", "Dançamos debaixo da chuva", "Esperas por mim à porta"),
            *("O verão vai embora devagar", "Cada janela tem uma luz", "Ninguém se lembra de nada"),
            *("Diz-me o que canta o rio", "Deixa a candeia acesa", "Um sino toca ao longe"),
        ),
        (
            *("sob a lua amarela", "antes que acabe o dia", "e o vento fica frio"),
            *("onde termina o caminho", "com uma pena na mão", "quando a cidade dorme"),
            *("até de manhã", "sobre os campos calados", "e eu vou contigo"),
        ),
    ),
    "nl": (
        (
            *("Ik liep alleen naar huis", "Wij dansten in de regen", "Jij wacht op mij bij de deur"),
            *("De zomer gaat zo stil voorbij", "Achter elk raam brandt een licht", "Niemand weet het meer"),
            *("Zeg me wat de rivier vertelt", "Laat de lamp nog even branden", "Ergens klinkt een oude klok"),
        ),
        (
            *("onder de gele maan", "voordat de dag voorbij is", "en de wind wordt koud"),
            *("waar de oude weg begint", "met een veer in mijn hand", "terwijl de stad nog slaapt"),
            *("tot de morgen komt", "over de stille velden", "en ik ga met je mee"),
        ),
    ),
    "pl": (
        (
            *("Szedłem sam do domu", "Tańczyliśmy na deszczu", "Czekasz na mnie przy drzwiach"),
            *("Lato odchodzi po cichu", "W każdym oknie płonie świeca", "Nikt już nie pamięta"),
            *("Powiedz, co mówi rzeka", "Niech lampa jeszcze świeci", "Daleko bije dzwon"),
        ),
        (
            *("pod żółtym księżycem", "zanim skończy się dzień", "a wiatr jest coraz zimniejszy"),
            *("tam gdzie kończy się droga", "z piórem w mojej ręce", "kiedy miasto śpi"),
            *("aż do białego rana", "nad cichymi polami", "i idę za tobą"),
        ),
    ),
    "cs": (
        (
            *("Šel jsem sám domů", "Tančili jsme v dešti", "Čekáš na mě u dveří"),
            *("Léto odchází potichu", "V každém okně svítí hvězda", "Nikdo si nepamatuje"),
            *("Řekni mi, co zpívá řeka", "Nech tu lampu ještě hořet", "V dálce zvoní zvon"),
        ),
        (
            *("pod žlutým měsícem", "než skončí den", "a vítr je studený"),
            *("tam kde končí cesta", "s pírkem v dlani", "když město spí"),
            *("až do rána", "nad tichým polem", "a já jdu za tebou"),
        ),
    ),
    "sv": (
        (
            *("Jag gick ensam hem", "Vi dansade i regnet", "Du väntar vid dörren"),
            *("Sommaren går så stilla", "I varje fönster brinner ett ljus", "Ingen minns det längre"),
            *("Säg mig vad floden sjunger", "Låt lampan lysa än", "Långt borta ringer en klocka"),
        ),
        (
            *("under den gula månen", "innan dagen är slut", "och vinden blåser kall"),
            *("där den gamla vägen tar slut", "med en fjäder i min hand", "medan staden sover"),
            *("tills morgonen kommer", "över tysta ängar", "och jag följer dig"),
        ),
    ),
    "sr": (
        (
            *("Сам сам ишао кући", "Играли смо по киши", "Чекаш ме испред врата"),
            *("Лето одлази тихо", "Сваки прозор има светло", "Нико више не зна за нас"),
            *("Реци шта ти река каже", "Нека лампа још гори", "Негде далеко звони звоно"),
        ),
        (
            *("испод жутог месеца", "пре него што сване дан", "и ветар дува хладан"),
            *("тамо где се пут завршава", "и носим перо у руци", "док цео град још спава"),
            *("све до раног јутра", "изнад тихих поља", "и идем за тобом"),
        ),
    ),
    "bs": (
        (
            *("Sam sam išao kući", "Plesali smo na kiši", "Čekaš me pored vrata"),
            *("Ljeto odlazi polahko", "Svaki prozor ima svijeću", "Niko se više ne sjeća"),
            *("Reci mi šta rijeka priča", "Pusti neka lampa svijetli", "Negdje daleko zvoni sat"),
        ),
        (
            *("pod žutim mjesecom", "prije nego prođe dan", "i vjetar puše hladan"),
            *("gdje se stari put gubi", "s perom u mojoj ruci", "dok čaršija spava"),
            *("sve do ranog jutra", "iznad mirnih polja", "a ja idem za tobom"),
        ),
    ),
    "tr": (
        (
            *("Eve yalnız yürüyordum", "Yağmurda dans ettik", "Kapıda beni bekliyorsun"),
            *("Yaz sessizce gidiyor", "Her pencerede bir ışık", "Kimse hatırlamıyor artık"),
            *("Söyle nehir ne anlatır", "Lamba biraz daha yansın", "Uzakta bir çan çalıyor"),
        ),
        (
            *("sarı ayın altında", "gün bitmeden önce", "ve rüzgar çok soğuk"),
            *("eski yolun sonunda", "elimde bir tüy ile", "şehir uyurken"),
            *("sabah olana kadar", "sessiz tarlalarda", "ve seninle geliyorum"),
        ),
    ),
    "fi": (
        (
            *("Kuljin yksin kotiin", "Me tanssimme sateessa", "Sinä odotat ovella"),
            *("Kesä lähtee hiljaa", "Joka ikkunassa on valo", "Kukaan ei muista enää"),
            *("Kerro mitä joki laulaa", "Anna lampun vielä palaa", "Jossain kaukana soi kello"),
        ),
        (
            *("keltaisen kuun alla", "ennen kuin päivä päättyy", "ja tuuli on kylmä"),
            *("missä vanha tie loppuu", "sulka kädessäni", "kun kaupunki nukkuu"),
            *("aamuun asti", "yli hiljaisten peltojen", "ja minä seuraan sinua"),
        ),
    ),
    "hu": (
        (
            *("Egyedül mentem haza", "Táncoltunk az esőben", "Az ajtóban vársz rám"),
            *("A nyár csendben elmegy", "Minden ablakban fény ég", "Senki nem emlékszik már"),
            *("Mondd el mit mesél a folyó", "Hadd égjen még a lámpa", "Messze szól egy harang"),
        ),
        (
            *("a sárga hold alatt", "mielőtt véget ér a nap", "és hideg szél fúj"),
            *("ahol a régi út véget ér", "egy tollal a kezemben", "amíg a város alszik"),
            *("egészen reggelig", "a csendes mezők felett", "és megyek utánad"),
        ),
    ),
    "ro": (
        (
            *("Mergeam singur spre casă", "Am dansat în ploaie", "Mă aștepți lângă ușă"),
            *("Vara pleacă încet", "Fiecare fereastră are o stea", "Nimeni nu mai știe"),
            *("Spune-mi ce cântă râul", "Lasă lampa să ardă", "Un clopot sună departe"),
        ),
        (
            *("sub luna galbenă", "înainte să treacă ziua", "și vântul bate rece"),
            *("unde se termină drumul", "cu o pană în mână", "când orașul doarme"),
            *("până dimineața", "peste câmpuri tăcute", "și eu vin cu tine"),
        ),
    ),
    "el": (
        (
            *("Γύριζα μόνος στο σπίτι", "Χορεύαμε μες στη βροχή", "Με περιμένεις στην πόρτα"),
            *("Το καλοκαίρι φεύγει σιγά", "Κάθε παράθυρο έχει φως", "Κανείς δεν θυμάται πια"),
            *("Πες μου τι λέει το ποτάμι", "Άσε τη λάμπα αναμμένη", "Μια καμπάνα χτυπά μακριά"),
        ),
        (
            *("κάτω από το κίτρινο φεγγάρι", "πριν τελειώσει η μέρα", "και ο άνεμος είναι κρύος"),
            *("εκεί που τελειώνει ο δρόμος", "με ένα φτερό στο χέρι", "όταν η πόλη κοιμάται"),
            *("μέχρι το πρωί", "πάνω από ήσυχα χωράφια", "κι εγώ έρχομαι μαζί σου"),
        ),
    ),
    "ru": (
        (
            *("Я шёл один домой", "Мы танцевали под дождём", "Ты ждёшь меня у двери"),
            *("Лето уходит тихо", "В каждом окне горит свеча", "Никто уже не помнит"),
            *("Скажи, о чём поёт река", "Пусть лампа ещё горит", "Далеко звонит колокол"),
        ),
        (
            *("под жёлтой луной", "пока не кончился день", "и ветер всё холоднее"),
            *("там где кончается дорога", "с пером в моей руке", "когда город спит"),
            *("до самого утра", "над тихими полями", "и я иду за тобой"),
        ),
    ),
}
