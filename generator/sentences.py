"""Sentences: what the benchmark of the face says, in six languages, written for it."""

from __future__ import annotations

from typing import Final

#: (language, text, espeak's colour of voice)
SENTENCES: Final[tuple[tuple[str, str, str], ...]] = (
    ("en", "My neighbour Barbara paints maps of empty villages, because people might move back.",
     ""),
    ("en", "Before lunch, five brave boys brought a heavy basket of apples up the hill.", "m3"),
    ("en", "Thirty-two musicians rehearse the same symphony every Thursday evening.", "f3"),
    ("en", "Please keep the window open; the room smells of paint and warm bread.", "f2"),
    ("en", "Fifty thieves thought they had found a very valuable vase.", "m1"),
    ("en", "Tomorrow morning my brother will probably remember the name of the bishop.", "m7"),
    ("en", "Who would move a whole school across the river for one summer?", "f4"),
    ("en", "A simple map helps people to find the museum by bus.", ""),
    ("es", "Mi hermano pequeño siempre pide pan con mermelada y un vaso de leche caliente.", "f3"),
    ("es", "Por la mañana subimos al barco blanco para ver el puente desde el mar.", ""),
    ("es", "El profesor explica el problema y todos apuntan la respuesta en su cuaderno.", "m3"),
    ("es", "Nadie sabe por qué el perro viejo duerme debajo de la mesa.", "f2"),
    ("de", "Am Abend brummt der Motor, und Emma bringt ihrem Papa eine warme Suppe.", "m3"),
    ("de", "Der Bäcker um die Ecke verkauft frische Brötchen und einen guten Apfelkuchen.", ""),
    ("de", "Viele Vögel fliegen im Herbst über das Meer nach Süden.", "f3"),
    ("de", "Bitte bleiben Sie einen Moment am Apparat, ich verbinde Sie sofort.", "f2"),
    ("fr", "Mon père prépare un bon repas pour toute la famille, puis il boit un peu d'eau.",
     "m3"),
    ("fr", "Vous pouvez ouvrir la fenêtre si vous avez trop chaud cet après-midi.", "f3"),
    ("fr", "Le bateau bleu part demain matin avec une vingtaine de passagers.", ""),
    ("it", "La mamma compra il pane fresco e un po' di burro prima di tornare a casa.", "f2"),
    ("it", "Domani vorrei fare una passeggiata lungo il fiume con i miei amici.", "m3"),
    ("pt", "A minha avó sempre fala bem alto quando liga para a família.", "f3"),
)  # fmt: skip

#: What the long clip says, over and over in another order.
LONG: Final = "en"
