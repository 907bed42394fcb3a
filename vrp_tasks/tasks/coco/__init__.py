"""``vrp_counting`` and ``vrp_spatial``: questions about COCO images, from instance annotations.

The papers describe such sets of 1,000 questions each and never released them. ``python -m
vrp_tasks.tasks.coco build`` makes them. Only questions with one evident answer are asked; sizes and
gaps are shares of the image, so that they do not depend on its resolution.

Counting, "How many dogs are there in the image?", answers 1 to 4. Of the category asked about,

- *crowd*: the image has no region annotated as a crowd (``iscrowd``);
- *size*: every instance covers at least 1/300 of the image (at 640 × 480 COCO's own border between
  small and medium objects, 32² pixels);
- *overlap*: no instance's box lies more than half inside another's;
- *look-alikes*: the image has no instance of a category that is easily taken for it (car, truck and
  bus; cup, wine glass and bowl; …);
- *name*: it can be counted (no broccoli, bananas that come in bunches, pairs of skis or scissors).

Spatial, "Is the dog left of the car in the image?", yes or no, with left of, right of, above and
below. Of the two things asked about,

- *one of each*: the image has exactly one instance of each of the two categories, and no crowd;
- *size*: as above;
- *overlap*: along the axis asked about, one box ends before the other begins;
- *centre gap*: along it, the centres lie at least 15 % of the image's side apart;
- *axis*: and further apart, in pixels, than along the other axis.

Both sets take at most one question per image, the same number of each answer (and each relation),
and within an answer the categories as evenly as the images allow. If the annotations offer too
few questions of one answer, all answers get that few. A seed decides among what is equal.
"""
