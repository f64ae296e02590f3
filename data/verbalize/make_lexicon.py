"""Answers from which `retina verbalize lexicon` builds the small lexicon.tsv beside this file: the labels of the study's map as
words of their own class, the two examples of its prompt, and the words of the procedural world. No published answer is in it.

    python data/verbalize/make_lexicon.py DIR && ./retina verbalize lexicon --labels DIR --out data/verbalize
"""
import json, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "test", "reference"))
from verbalize import CLASS_OF, ASSISTANT1  # noqa: E402  (writes its golden files, too)

parts = [(label, label) for label in CLASS_OF if label]
parts += [(k, v[0]) for k, v in json.loads(ASSISTANT1).items()]
parts += [("girl", "person"), ("fat", "state"), ("with dragon", "animal"), ("sports", "sport"), ("cat", "animal"), ("sun hat", "clothing")]
world = {"color": "red green blue yellow purple orange white black",
         "object": "disc discs square squares triangle triangles diamond diamonds cross crosses star stars ring rings bar bars object objects",
         "size": "small large", "pattern": "striped plain", "number": "one two three four", "location": "desert forest cave meadow arctic ocean",
         "position": "left right above below top bottom"}
parts += [(word, label) for label, words in world.items() for word in words.split()]
os.makedirs(sys.argv[1], exist_ok=True)
answer = "{" + ",".join(json.dumps(k) + ": " + json.dumps([v, "", ""]) for k, v in parts) + "}"
json.dump([answer], open(os.path.join(sys.argv[1], "classification_map_top3_labels_layer_0_caps_batch0.json"), "w"))
