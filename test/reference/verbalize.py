"""Golden files of the verbalize study: the labelling prompt as transformers renders it, and a small set of captions, entropies
and answers in the form of the study's published files, with the tables that plain Python computes from them.

    python test/reference/verbalize.py            (writes test/golden/verbalize/)

The original's reader keeps keys that are there twice, drops answers that are not JSON, and takes the first label of each part.
"""
import csv, json, math, os, random, re, statistics

HERE = os.path.join(os.path.dirname(__file__), "..", "golden", "verbalize")
os.makedirs(os.path.join(HERE, "labels"), exist_ok=True)

# ---- the prompt, as its source has it: a text in an indented function

SYSTEM = """Label Visual Attributes in Captions

            You help me label captions with visual attributes. I give you a caption in my prompt.
            For each part of the caption you give upto 3 labels. here is the list of possible labels:
            [male,female,person,young,old,facial expression,hair color,hair style,body part,object,furniture,vehicle,electronics,tools,toys,shape,
            texture,color,size,material,pattern,composition,style,position,state,orientation,surface,background,clothing,accessories,atmosphere,event,
            outdoor scene,indoor scene,nature,plants,body of water,weather, season,buildings,lighting,food,drink,dessert,fruits,sport,transportation,signs,animal,
            locations or places,rooms,actions,interactions,relations,technology,numbers,time,UNKNOWN].
            before assigning the class, remove non-words. an example of non-word is "'s" and "-".
            Do not remove the repeated words.
            If you do not know the word label it as "UNKNOWN". It is better to use "UNKNOWN" then to put labels you are unsure or not confident about!
            You do not give any explanations.
            Respond with a json dictionary where the keys are the parts of the caption and the values are 3 classes per each part of the caption.
            """
USER1 = "The girl with the yellow sun hat is holding a cat."
ASSISTANT1 = """{
            "The girl": ["person", "young", "female"],
            "yellow": ["color", "", ""],
            "sun hat": ["clothing","season","object"],
            "is holding": ["action","",""],
            "a cat": ["animal","",""]
            }"""
USER2 = "the handgadragon girl 's fat with dragon 's adobe handcgadragon 's handgadragon 's handcgadragon 's ' sports ... "
ASSISTANT2 = """{
            "the handgadragon" : ["UNKNOWN","",""]
            "girl": ["person","female","young"],
            "fat": ["state","",""],
            "with dragon": ["animal","",""],
            "adobe": ["UNKNOWN","",""],
            "handcgadragon": ["UNKNOWNn","",""],
            "handgadragon": ["UNKNOWN","",""],
            "handcgadragon": ["UNKNOWNn","",""],
            "sports": ["sport","",""]
        }"""


def prompts():
    import jinja2, jinja2.sandbox
    config = json.load(open(os.path.join(HERE, "..", "chat", "llama31", "tokenizer_config.json")))
    template = config.get("chat_template") or json.load(open(os.path.join(HERE, "..", "chat", "llama31", "chat_template.json")))["chat_template"]
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    fixed1 = ASSISTANT1.replace('"action"', '"actions"')
    fixed2 = ASSISTANT2.replace('"the handgadragon" : ["UNKNOWN","",""]\n', '"the handgadragon" : ["UNKNOWN","",""],\n').replace("UNKNOWNn", "UNKNOWN")
    for name, a1, a2 in (("original", ASSISTANT1, ASSISTANT2), ("fixed", fixed1, fixed2)):
        turns = [("system", SYSTEM), ("user", USER1), ("assistant", a1), ("user", USER2), ("assistant", a2), ("user", "a red disc on the caf\u00e9 's table")]
        text = env.from_string(template).render(messages=[{"role": r, "content": c} for r, c in turns], add_generation_prompt=True, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
        open(os.path.join(HERE, f"question_{name}.txt"), "w", newline="").write(text)


# ---- the map, as the table of the specification has it

MAP = """person: female, person, group of people, group, male, family, team
location: location or place, castle, city, locations or places, location or places, location, indoor scene/outdoor scene
action: actions, action
food & drink: food, drink, taste, dessert, flavor, fruits, condiment, meal, sauce, cuisine, fruit
objects: toy, object, toys, tools, objects, tool, container
UNKNOWN: , UNKNOWN, purpose, atmosphere, ornate
animal: animal
sport: sports, sport
outdoor scene: outdoor scene, street, trail, graffiti, store, building, road, path, buildings, background
indoor scene: floor, furniture, window, wall, light, rooms, indoor scene, house, door, doorway, room, windows, lighting
culture: culture, art, architecture, art style
color: color
clothing: accessories, jewelry, clothing
quantity & number & size: number, numbers, miniature, quantity, size, weight
plants & flowers: flower, plant, plants
nature: enclosure, waterfall, nature, water, body of water, mountain, fire
events: holiday, event, award, holiday event
time: season, time, month
weather: weather, temperature
material & texture: material, wooden, wood, texture, metal, surface
shape & style & state: shape, style, pattern, state, structure, liquid
traffic: speed, sign, signs, transportation, direction, vehicle, part of vehicle
human attributes: hair style, age, young, facial expression, hair color, emotion, old, body part, language
position: position, orientation, relation, relations
interaction: interaction, interactions
technology: technology, electronics
preposition: preposition
movie & game: theme, movie, sound, title, game
story: mythical creature, fairy
company: company, company name, brand, service
composition: composition
nationality: nationality
money: money
text: text
comparison: comparison"""
CLASS_OF = {label.strip(): line.split(":")[0] for line in MAP.split("\n") for label in line.split(":", 1)[1].split(",")}
CLASSES = sorted(set(CLASS_OF.values()))
assert len(CLASS_OF) == 151 and len(CLASSES) == 35

# ---- captions, entropies, answers

random.seed(7)
WORDS = "a red gold circle man standing in front of the caf\u00e9 window \u3059\u3057 \U0001f600 \ufffd - 's , tree book orange two table".split()
LABELS = list(CLASS_OF) + ["gold", "cultural style"]
L, N = 6, 40


def caption(l):
    if l == 3 and random.random() < 0.6:
        return "a man standing in front of a window"
    n = random.randint(3, 9)
    return " ".join(random.choice(WORDS) for _ in range(n)) if l else " ".join([random.choice(["red", "gold"])] * n)


def answer(text, kind):
    words, parts = text.split(), []
    while words:
        n = random.choice([1, 1, 1, 2])
        parts.append((" ".join(words[:n]), [random.choice(LABELS) if random.random() < 0.5 else random.choice(["color", "object", "person", "UNKNOWN"])] + [random.choice(["", "state"]) for _ in range(random.choice([2, 2, 2, 1, 3]))]))
        words = words[n:]
    body = ",    ".join(json.dumps(p, ensure_ascii=random.random() < 0.5) + ": " + json.dumps(ls) for p, ls in parts)
    whole = "{    " + body + "}"
    if kind == "cut":
        return whole[: len(whole) - random.randint(1, 25)]
    if kind == "loop":
        return "{    " + body + (',    "red": ["color","",""]' * 30) + ',    "re'
    if kind == "no comma":
        return whole.replace('],    "', ']    "', 1)
    if kind == "comma":
        return whole[:-1] + ",}"
    if kind == "escape":
        return whole.replace('{    "', '{    "\\\'', 1)
    if kind == "words":
        return "Here you are: " + whole
    if kind == "nested":
        return '{"caption": ' + whole + "}"
    if kind == "twice":
        return "{    " + body + ",    " + body + "}"
    if kind == "list":
        return whole[:-1] + ', "x": [], "y": "color"}'
    return whole


captions = {f"layer_{l}": [caption(l) for _ in range(N)] for l in range(L)}
entropies = {f"layer_{l}": [random.random() * 9 for _ in range(N)] for l in range(L)}
KINDS = ["cut", "loop", "no comma", "comma", "escape", "words", "nested", "twice", "list"]
answers = {k: [answer(c, random.choice(KINDS) if random.random() < 0.3 else "") for c in v] for k, v in captions.items()}
json.dump(captions, open(os.path.join(HERE, "caps_batch0.json"), "w"))
json.dump(entropies, open(os.path.join(HERE, "entropy_batch0.json"), "w"))
for k, v in answers.items():
    json.dump(v, open(os.path.join(HERE, "labels", f"classification_llama_70B_top3_labels_{k}_caps_batch0.json"), "w"))


def strict(text):
    try:
        pairs = json.loads(text, object_pairs_hook=lambda p: ("object", p))
    except ValueError:
        return None
    return [(k, v) for k, v in pairs[1] if isinstance(v, list) and v] if isinstance(pairs, tuple) else []


STRING = r'"((?:[^"\\]|\\.)*)"'


def tolerant(text):
    found = re.findall(STRING + r"\s*:\s*\[\s*(" + STRING + r"(?:\s*,\s*" + STRING + r")*)\s*\]", text)
    return [(f[0], re.findall(STRING, f[1])) for f in found]


def table(read):
    rows, counts = [], []
    for k in answers:
        sums, kept, ok = dict.fromkeys(CLASSES, 0.0), 0, 0
        for text in answers[k]:
            parts = read(text)
            ok += parts is not None and (read is strict or len(parts) > 0)
            if not parts:
                continue
            n = dict.fromkeys(CLASSES, 0)
            for _, labels in parts:
                n[CLASS_OF.get(labels[0], "UNKNOWN")] += 1
            total = sum(n.values())
            kept += 1
            for c in CLASSES:
                sums[c] += 100 * n[c] / total
        rows.append([sums[c] / kept for c in CLASSES])
        counts.append((ok, kept))
    return rows, counts


for name, read in (("strict", strict), ("tolerant", tolerant)):
    rows, counts = table(read)
    with open(os.path.join(HERE, f"classification_{name}.csv"), "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(CLASSES)
        w.writerows(rows)
    print(name, counts)

with open(os.path.join(HERE, "diversity.csv"), "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow("layer,entropy_mean,entropy_median,entropy_sd,entropy_min,entropy_max,distinct,words,type_token,vocabulary,same_next,jaccard_last".split(","))
    for l in range(L):
        c, e = captions[f"layer_{l}"], entropies[f"layer_{l}"]
        words = [x.split() for x in c]
        last = [set(x.split()) for x in captions[f"layer_{L - 1}"]]
        w.writerow([l + 1, sum(e) / N, statistics.median(e), statistics.stdev(e), min(e), max(e), len(set(c)), sum(map(len, words)) / N, sum(len(set(x)) / len(x) for x in words) / N,
                    len({t for x in words for t in x}), sum(a == b for a, b in zip(c, captions[f"layer_{l + 1}"])) if l + 1 < L else "",
                    sum(len(set(x) & y) / len(set(x) | y) for x, y in zip(words, last)) / N])
prompts()
