"""What styles are made of: programmes of General MIDI, progressions, grooves, bass lines and strokes of chord parts.

The signs are those of `melisma.train.styles`.
"""

from __future__ import annotations

from melisma.train.styles import (
    BONGO,
    CLAP,
    CLAVES,
    CONGA,
    COWBELL,
    CRASH,
    HAT,
    KICK,
    OPEN_HAT,
    PEDAL,
    RIDE,
    RIM,
    SHAKER,
    SNARE,
    TAMBOURINE,
)

# Programmes of General MIDI, from 0.
PIANOS, E_PIANOS, ORGANS = (0, 1, 2, 3), (4, 5), (16, 17, 18, 19)
MALLETS, ACCORDIONS, ACOUSTIC, CLEAN = (8, 9, 10, 11, 12, 13, 14), (21, 23), (24, 25), (26, 27, 28)
OVERDRIVEN, UPRIGHT, FINGERED, SYNTH_BASS = (29, 30), (32,), (33, 34, 35, 36), (38, 39)
STRINGS, SYNTH_STRINGS, CHOIR, BRASS = (48, 49), (50, 51), (52, 53, 54), (61, 62, 63)
SAXES, WOODS, WINDS, FIDDLES = (64, 65, 66, 67), (68, 69, 70, 71), (72, 73, 74, 75, 79), (40, 41, 42, 110)
HORNS, SYNTH_LEADS, PADS = (56, 57, 58, 60), (80, 81, 82, 84, 85, 87), (88, 89, 90, 91, 92, 94, 95)
SINGERS = (52, 53, 54, 85)  # aahs, oohs, a synthetic voice: the likest to what the model must not take for words

POP = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 3), (0, 2, 3, 4), (3, 4, 5, 0), (0, 0, 3, 4), (1, 4, 0, 0))
MINOR = ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6), (0, 5, 6, 0), (0, 3, 0, 4), (0, 2, 6, 3), (0, 6, 5, 4))
BLUES = ((0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4), (0, 3, 0, 0, 3, 3, 0, 0, 4, 3, 0, 0))
JAZZ = ((1, 4, 0, 5), (0, 5, 1, 4), (2, 5, 1, 4), (0, 3, 2, 5, 1, 4, 0, 0), (5, 1, 4, 0, 3, 6, 2, 5))
CLASSICAL = ((0, 4, 5, 2, 3, 0, 3, 4), (0, 3, 4, 0), (0, 4, 0, 3, 1, 4, 0, 0), (0, 5, 1, 4), (0, 3, 6, 2, 5, 1, 4, 0))
DRONE = ((0, 0, 0, 0), (0, 6, 0, 6), (0, 0, 6, 6), (0, 3, 0, 3))

HELD = "D==============="
TWICE = "D=======D======="
STRUMS = ("D===D=U===U=D=U=", "D=D=D=U=D=D=D=U=", "D===D===D===D=U=", "D===d=u=..u=d=u=", "D=dud=du.=dud=du")
EIGHTHS = ("D=d=d=d=D=d=d=d=", "D=D=D=D=D=D=D=D=")
CHUGS = ("DmmmDmmmDmmmDmDm", "D===mmD=mmD=mmmm", "DmDmmDmmDmDmmDmm", "DDDDDDDDDDDDDDDD")
ARPS = ("0=1=2=3=2=1=2=1=", "0=2=1=2=3=2=1=2=", "0=1=2=1=0=1=2=1=", "3=2=1=0=3=2=1=0=", "0=2=3=2=0=2=3=2=")
FAST_ARPS = ("0123012301230123", "0121012101210121", "0213021302130213", "3210321032103210", "0120120120120120")
OFFBEATS = ("..D...D...D...D.", "....D=......D=..", "..U.....U.U...U.")

ROCK_GROOVES = (
    ((KICK, "X.......X......."), (SNARE, "....X.......X..."), (HAT, "x.o.x.o.x.o.x.o.")),
    ((KICK, "X.....x.X......."), (SNARE, "....X.......X..o"), (HAT, "x.o.x.o.x.o.x.o.")),
    ((KICK, "X..x..x.X.x....."), (SNARE, "....X.......X..."), (RIDE, "x.o.x.o.x.o.x.o.")),
    ((KICK, "X.x.....x.X....."), (SNARE, "....X..o.o..X..."), (OPEN_HAT, "x...x...x...x...")),
)
PUNK_GROOVES = (
    ((KICK, "X...X...X...X..."), (SNARE, "..X...X...X...X."), (HAT, "x.x.x.x.x.x.x.x.")),
    ((KICK, "X.X...X.X.X...X."), (SNARE, "....X.......X..."), (OPEN_HAT, "X.X.X.X.X.X.X.X.")),
    ((KICK, "XxXxXxXxXxXxXxXx"), (SNARE, "....X.......X..."), (CRASH, "X...X...X...X...")),
)
SOFT_GROOVES = (
    ((KICK, "x.......x......."), (RIM, "....x.......x..."), (HAT, "o.o.o.o.o.o.o.o.")),
    ((KICK, "x.....o.x......."), (SNARE, "....o.......o..."), (RIDE, "o...o.o.o...o.o.")),
    ((SHAKER, "o.oox.oxo.oox.ox"), (KICK, "x.......x.......")),
    ((TAMBOURINE, "....x.......x..."), (KICK, "x.......x.......")),
)
DANCE_GROOVES = (
    ((KICK, "X...X...X...X..."), (CLAP, "....X.......X..."), (OPEN_HAT, "..x...x...x...x.")),
    ((KICK, "X...X...X...X..."), (SNARE, "....X.......X..."), (HAT, "xoxoxoxoxoxoxoxo")),
    ((KICK, "X...X...X...X.x."), (CLAP, "....X..x....X..."), (SHAKER, "oxoxoxoxoxoxoxox")),
)
HIP_HOP_GROOVES = (
    ((KICK, "X..x..x...x....."), (SNARE, "....X.......X..."), (HAT, "x.x.x.x.x.x.x.xx")),
    ((KICK, "X.....X...x....."), (CLAP, "........X......."), (HAT, "xxx.xxx.xxxxxxx.")),
    ((KICK, "X......x.Xx....."), (SNARE, "....X..o....X.o."), (HAT, "x.o.x.o.x.o.x.o.")),
)
FUNK_GROOVES = (
    ((KICK, "X.x...x..x.x...."), (SNARE, "....X..o.o..X..o"), (HAT, "xoxoxoxoxoxoxoxo")),
    ((KICK, "X..x..X...x..x.."), (SNARE, "....X....o..X..."), (HAT, "x.x.x.x.x.x.x.x."), (COWBELL, "x...x...x...x...")),
)
SWING_GROOVES = (
    ((RIDE, "x..x.ox..x.o"), (PEDAL, "...x.....x.."), (KICK, "o.....o.....")),
    ((RIDE, "x..x.ox..x.o"), (PEDAL, "...x.....x.."), (SNARE, ".....o..o...")),
)
SHUFFLE_GROOVES = (
    ((KICK, "X.....X....."), (SNARE, "...X.....X.."), (HAT, "x.xx.xx.xx.x")),
    ((KICK, "X....xX....."), (SNARE, "...X.....X.."), (RIDE, "x.ox.ox.ox.o")),
)
LATIN_GROOVES = (
    ((KICK, "x..xx..xx..xx..x"), (RIM, "x..x..x...x..x.."), (HAT, "o.o.o.o.o.o.o.o.")),
    ((CLAVES, "x..x..x...x.x..."), (CONGA, "..x...xx..x...xx"), (COWBELL, "x.x.xxx.x.x.x.xx")),
    ((BONGO, "xoxoxoxoxoxoxoxo"), (SHAKER, "xoxoxoxoxoxoxoxo"), (KICK, "x..x..x.x..x..x.")),
)
REGGAE_GROOVES = (
    ((KICK, "........X......."), (RIM, "........X......."), (HAT, "x.o.x.o.x.o.x.o.")),
    ((KICK, "X...X...X...X..."), (SNARE, "........X......."), (HAT, "..x...x...x...x.")),
)
WALTZ_GROOVES = (
    ((KICK, "x..........."), (HAT, "....x...x...")),
    ((KICK, "X..........."), (SNARE, "....o...o..."), (RIDE, "x...o...o.o.")),
)
POLKA_GROOVES = (((KICK, "X.......X......."), (SNARE, "....X.......X..."), (HAT, "..x...x...x...x.")),)
REEL_GROOVES = (((KICK, "x.....x....."), (TAMBOURINE, "x..x..x..x.."), (SHAKER, "oooooooooooo")),)

ROOTS = ("r===r===r===r===", "r=r=r=r=r=r=r=r=", "r=====r=r=======", "r=====r=f===r=a=", "r===f===o===f===")
GROOVY = ("r..ro..r..r.f.a.", "r.r..f.o..r.f...", "r...r.o.r...f.o.", "r=.rr=.rf=.fo=a=")
OCTAVES = ("r.o.r.o.r.o.r.o.", "..r...r...r...r.", "r..r..r.r..r..r.", "rroorroorroorroo")
LONG = ("r===============", "r=======f=======", "r===========r===")
