"""Builds a small tokenizer of every family with the `tokenizers` library and writes it with the ids and texts that the library
gives for difficult strings: test/golden/tokenizers/NAME/{tokenizer.json,tokenizer_config.json,…}, cases.json.

    python test/reference/make_tokenizers.py test/golden/tokenizers

Vocabularies are trained here on a text made here; normaliser, pre-tokenizer, post-processor and decoder are those of the
published files, written out as they stand there. The trainers break ties by chance, so two runs give other vocabularies. test/peers/check_tokenizers.py builds larger ones with the same functions.
"""
import base64
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from unicode_tables import charsmap  # noqa: E402

CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PATTERNS = {
    "llama3": r"(?i:%s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" % CONTRACTIONS,
    "qwen2": r"(?i:%s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" % CONTRACTIONS,
    "qwen35": r"(?i:%s)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" % CONTRACTIONS,
    "clip": r"<\|startoftext\|>|<\|endoftext\|>|%s|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+" % CONTRACTIONS,
    "clip_old": r"%s|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+" % CONTRACTIONS,
    "gpt4o": (r"[^\r\n\p{L}\p{N}]?{U}*{L}+(?i:{C})?|[^\r\n\p{L}\p{N}]?{U}+{L}*(?i:{C})?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
              .replace("{U}", UPPER).replace("{L}+", LOWER + "+").replace("{L}*", LOWER + "*").replace("{C}", CONTRACTIONS)),
    "tekken": (r"[^\r\n\p{L}\p{N}]?{U}*{L}+|[^\r\n\p{L}\p{N}]?{U}+{L}*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
               .replace("{U}", UPPER).replace("{L}+", LOWER + "+").replace("{L}*", LOWER + "*")),
}

DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
BLOOM = [r" ?[^(\s|[.,!?…。，、।۔،])]+"]

# ---- a text to train on

SENTENCES = """The small red cube stands to the left of a large blue sphere.  A photograph shows two dogs on wet grass, don't they?
What colour is the bird's wing? It's brown; they've seen 12 of them, 345 in 1998 and 20,000 before. I'll go, we're late, she'd said I'm not.
USER: Describe the picture in detail. ASSISTANT: The picture shows a street with cars, houses and people who are walking.
for (int i = 0; i < n; i++) { sum += x[i] * w[i]; }   // a comment\tand a tab
def attention(query, key, value):\n    return softmax(query @ key.T / sqrt(d)) @ value\n
Größe, naïve café, El Niño, São Paulo, crème brûlée, Ångström, İstanbul, Đà Nẵng, Łódź, œuvre, straße.
Привет, мир! Как дела? Съешь ещё этих мягких французских булок. Γειά σου Κόσμε, ο ΟΔΥΣΣΕΥΣ. Բարեւ աշխարհ.
你好,世界。今天天气很好，我们去公园。日本語のテキスト、カタカナとひらがな。안녕하세요 세계, 한국어 문장입니다.
مرحبا بالعالم، كيف حالك؟ שלום עולם. नमस्ते दुनिया, क्षत्रिय। สวัสดีชาวโลก வணக்கம் உலகம் ಕನ್ನಡ తెలుగు বাংলা ქართული አማርኛ
😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ ½ ² Ⅷ ① ﬁ ﬀ ｆｕｌｌ ① ㎏ … — “quoted” ‘single’ «guillemets» • § © ® ™ € £ ¥""".split("\n")
WORDS = sorted({w for s in SENTENCES for w in s.split()})


def corpus(count, seed=1):
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        words = rng.choices(WORDS, k=rng.randint(4, 20)) if rng.random() < 0.5 else rng.choice(SENTENCES).split(" ")
        lines.append(" ".join(words))
    return lines + SENTENCES * 3


# ---- building

BYTES = ["<0x%02X>" % b for b in range(256)]
FLAGS = [  # one added token for every flag
    AddedToken("<plain>", normalized=False), AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
    AddedToken("<both>", lstrip=True, rstrip=True, normalized=False, special=True), AddedToken("word", single_word=True, normalized=False),
    AddedToken("Normy", normalized=True), AddedToken("ÉTÉ", normalized=True, single_word=True), AddedToken("<sp>", special=True, normalized=False),
    AddedToken("<spN>", special=True, normalized=True), AddedToken("<pl", normalized=False), AddedToken("   ", normalized=False), AddedToken("new york", normalized=True, lstrip=True)]


def trained(model, trainer, normalizer, pre_tokenizer, lines):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    t.train_from_iterator(lines, trainer)
    return json.loads(t.to_str())


def component(x):
    """A component of the library as its JSON."""
    return json.loads(x.__getstate__()) if x is not None else None


def finish(js, normalizer=None, pre_tokenizer=None, post=None, decoder=None, added=(), special=(), config=None, **model):
    js["truncation"] = js["padding"] = None
    js["model"].update(model)
    js["normalizer"], js["pre_tokenizer"] = component(normalizer), component(pre_tokenizer)
    js["post_processor"], js["decoder"], js["added_tokens"] = component(post), component(decoder), []
    t = Tokenizer.from_str(json.dumps(js))
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) if isinstance(s, str) else s for s in special])
    t.add_tokens(list(added))
    return json.loads(t.to_str()), config or {}


def byte_level(lines, size, special, normalizer=None, pattern=None, prefix_space=False, suffix=None, **model):
    pre = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=pattern is None)
    if pattern:
        behavior = ("removed", True) if pattern.startswith("clip") else ("isolated", False)
        pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERNS[pattern]), *behavior), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern.startswith("clip"))])
    kw = {"end_of_word_suffix": suffix} if suffix else {}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, **kw)
    js = trained(models.BPE(**kw), trainer, normalizer, pre, lines)
    if suffix:  # every byte, alone and at the end of a word, as CLIP has them
        vocab = js["model"]["vocab"]
        for c in sorted(pre_tokenizers.ByteLevel.alphabet()):
            for token in (c, c + suffix):
                vocab.setdefault(token, len(vocab))
    js["model"].update(model)
    return js, pre


def sentence_piece_bpe(lines, size, special):
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special) + BYTES, limit_alphabet=90, show_progress=False)
    js = trained(models.BPE(unk_token=special[0]), trainer, None, pre_tokenizers.Metaspace(), lines)
    vocab, merges = js["model"]["vocab"], js["model"]["merges"]
    for k in (2, 3, 4, 8):  # runs of ▁, as Llama and Gemma have them
        left = "▁" * (k // 2 if k != 3 else 2)
        vocab.setdefault("▁" * k, len(vocab))
        merges.append([left, "▁" * (k - len(left))])
    return js


def unigram(lines, size, special, unk=0):
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=list(special), unk_token=special[unk], show_progress=False)
    js = trained(models.Unigram(), trainer, None, pre_tokenizers.Metaspace(), lines)
    js["model"]["unk_id"] = unk
    js["model"]["vocab"] = [[t, round(x, 3)] for t, x in js["model"]["vocab"]]  # short, and with ties
    return js


SP_DECODER = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
CHARSMAP = charsmap({"\u00a0": " ", "\u3000": " ", "\n": " ", "\t": " ", "\r": "", "\u200b": "", "ﬁ": "fi", "ﬀ": "ff", "½": "1⁄2", "²": "2", "①": "1", "Ⅷ": "VIII", "…": "...", "㎏": "kg",
                     "e\u0301": "é", "E\u0301": "É", "o\u0308": "ö", "a\u0308": "ä", "n\u0303": "ñ", "か\u3099": "が", "İ": "i\u0307", "\ufeff": "", "\u0301": "",
                     **{chr(0xFF01 + i): chr(0x21 + i) for i in range(94)}})


def template(single, **ids):
    return processors.TemplateProcessing(single=single, pair="$A $B:1", special_tokens=list(ids.items()))


def families(scale=1, seed=1):
    """name -> (tokenizer.json, tokenizer_config.json or {}, config.json or {})"""
    lines = corpus(400 * scale, seed)
    size = lambda n: n * scale
    out = {}

    def put(name, built, model_config=None):
        out[name] = (*built, model_config or {})

    BL, NFC = decoders.ByteLevel(), normalizers.NFC()
    trim = processors.ByteLevel(trim_offsets=True)
    clip_normal = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    for name, pattern in (("clip", "clip"), ("clip_old", "clip_old")):
        js, pre = byte_level(lines, size(420), ["<|startoftext|>", "<|endoftext|>"], clip_normal, pattern, suffix="</w>", unk_token="<|endoftext|>", continuing_subword_prefix="")
        post = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), False, False)
        config = {"tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
        put(name, finish(js, clip_normal, pre, post, BL, FLAGS, ["<|startoftext|>", "<|endoftext|>"], config), {"model_type": "clip"})
    js, pre = byte_level(lines, size(380), ["<|endoftext|>"])
    put("gpt2", finish(js, None, pre, trim, BL, FLAGS, ["<|endoftext|>"], {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": False}), {"model_type": "gpt2"})
    tabs = [AddedToken("\t", lstrip=True, rstrip=True, normalized=False), AddedToken("\n", normalized=False)]  # white space that white space is stripped from
    put("tabs", finish(js, None, pre, trim, BL, FLAGS + tabs, ["<|endoftext|>"]))
    js, pre = byte_level(lines, size(380), ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    config = {"tokenizer_class": "RobertaTokenizer", "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}}
    put("roberta", finish(js, None, pre, processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False), BL, FLAGS, ["<s>", "<pad>", "</s>", "<unk>", mask], config), {"model_type": "roberta"})
    pre = pre_tokenizers.ByteLevel(add_prefix_space=True)
    put("roberta_prefix", finish(js, None, pre, processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, True), BL, FLAGS, ["<s>", "<pad>", "</s>", "<unk>", mask]))
    js, pre = byte_level(lines, size(420), [], None, "llama3", ignore_merges=True)
    post = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|> $A", **{"<|begin_of_text|>": len(js["model"]["vocab"])})])
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    js["model"]["vocab"]["unreach"] = len(js["model"]["vocab"]) + 40  # a word that no merges make: only ignore_merges finds it
    post = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|> $A", **{"<|begin_of_text|>": len(js["model"]["vocab"])})])
    put("llama3", finish(js, None, pre, post, BL, FLAGS, special, {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}))
    for name in ("qwen2", "qwen35"):
        js, pre = byte_level(lines, size(400), [], NFC, name, continuing_subword_prefix="", end_of_word_suffix="")
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"]
        config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "add_bos_token": False}
        put(name, finish(js, NFC, pre, trim, BL, FLAGS, special, config), {"model_type": "qwen2_5_vl" if name == "qwen2" else "qwen3_5"})
    js, pre = byte_level(lines, size(380), ["<|endoftext|>", "<|padding|>"], NFC)
    put("olmo", finish(js, NFC, pre, trim, BL, FLAGS, ["<|endoftext|>", "<|padding|>"]))
    for name in ("gpt4o", "tekken"):
        js, pre = byte_level(lines, size(400), [], None, name)
        put(name, finish(js, None, pre, None, BL, FLAGS, ["<|endoftext|>"]))
    for name, expressions in (("deepseek", DEEPSEEK), ("bloom", BLOOM)):
        js, _ = byte_level(lines, size(400), [])
        pre = pre_tokenizers.Sequence([*(pre_tokenizers.Split(Regex(p), "isolated") for p in expressions), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        put(name, finish(js, None, pre, trim, BL, FLAGS, ["<|endoftext|>"]))
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    put("smollm", finish(js, None, pre, None, BL, FLAGS, ["<|endoftext|>"]))

    js = sentence_piece_bpe(lines, size(470), ["<unk>", "<s>", "</s>"])
    bos = template("<s> $A", **{"<s>": 1})
    legacy = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    sp = dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    decoder = decoders.Sequence(SP_DECODER + [decoders.Strip(" ", 1, 0)])
    special = ["<unk>", "<s>", "</s>", AddedToken("<image>", special=True, normalized=False), AddedToken("<pad>", special=True, normalized=True)]
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "legacy": False, "add_bos_token": True}
    put("llava", finish(json.loads(json.dumps(js)), legacy, None, bos, decoder, FLAGS, special, config, **sp), {"model_type": "llava"})
    put("llama2", finish(json.loads(json.dumps(js)), None, pre_tokenizers.Metaspace("▁", "first", False), bos, decoder, FLAGS, special, **sp))
    put("llama2_nobytes", finish(json.loads(json.dumps(js)), legacy, None, bos, decoder, FLAGS, special, **{**sp, "byte_fallback": False}))
    put("llama2_nofuse", finish(json.loads(json.dumps(js)), None, pre_tokenizers.Metaspace("▁", "always", True), bos, decoders.Metaspace("▁", "always", True), FLAGS, special,
                                unk_token="<unk>", fuse_unk=False, byte_fallback=False))
    few = json.loads(json.dumps(js))  # a byte token is missing: an unknown character among others
    gone = {"<0xE4>", "<0xF0>"}
    few["model"]["vocab"] = {k: v for k, v in few["model"]["vocab"].items() if k not in gone}
    put("llama2_fewbytes", finish(few, legacy, None, bos, decoder, FLAGS, special, **sp))
    js = sentence_piece_bpe(lines, size(470), ["<pad>", "<eos>", "<bos>", "<unk>"])
    put("gemma", finish(js, normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"), template("<bos> $A", **{"<bos>": 2}), decoders.Sequence(SP_DECODER), FLAGS,
                        ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"], **sp))

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for name, lower in (("bert", True), ("bert_cased", False)):
        normal = normalizers.BertNormalizer(True, True, None, lower)
        trainer = trainers.WordPieceTrainer(vocab_size=size(500), special_tokens=words, show_progress=False)
        js = trained(models.WordPiece(unk_token="[UNK]"), trainer, normal, pre_tokenizers.BertPreTokenizer(), lines)
        post = template("[CLS] $A [SEP]", **{"[CLS]": 2, "[SEP]": 3})
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
        put(name, finish(js, normal, pre_tokenizers.BertPreTokenizer(), post, decoders.WordPiece("##", True), FLAGS, words, config), {"model_type": "bert" if lower else "align"})
    js = json.loads(json.dumps(js))
    put("wordpiece_short", finish(js, normalizers.BertNormalizer(False, False, True, True), pre_tokenizers.Whitespace(), processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
                                  decoders.WordPiece("##", False), FLAGS, words, max_input_chars_per_word=5))

    js = unigram(lines, size(500), ["<pad>", "</s>", "<unk>"], 2)
    eos = template("$A </s>", **{"</s>": 1})
    special = ["<pad>", "</s>", "<unk>", "<extra_id_1>", "<extra_id_0>"]
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", "always", True)])
    precompiled = normalizers.Precompiled(CHARSMAP)
    put("t5", finish(json.loads(json.dumps(js)), precompiled, pre, eos, decoders.Metaspace("▁", "always", True), FLAGS, special))
    put("xlmr", finish(json.loads(json.dumps(js)), normalizers.Sequence([normalizers.Precompiled(CHARSMAP), normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), "▁")]),
                       pre_tokenizers.Metaspace("▁", "always", True), eos, decoders.Metaspace("▁", "always", True), FLAGS, special))
    siglip = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(Regex(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""), ""), normalizers.Replace(Regex(r"\s+"), " "),
                                   normalizers.Strip(True, True)])
    put("siglip", finish(json.loads(json.dumps(js)), siglip, pre_tokenizers.Metaspace("▁", "first", False), eos, decoders.Metaspace("▁", "first", True), FLAGS, special))
    js["model"]["vocab"] += [[b, 0.0] for b in BYTES]
    put("unigram_bytes", finish(js, normalizers.NFKC(), pre_tokenizers.Metaspace("▁", "first", False), None, decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", "always", True)]),
                                FLAGS, special, byte_fallback=True))

    trainer = trainers.WordLevelTrainer(vocab_size=size(150), special_tokens=["<unk>", "<s>"], show_progress=False)
    pre = pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Whitespace(), pre_tokenizers.Digits(False)])
    js = trained(models.WordLevel(unk_token="<unk>"), trainer, None, pre, lines)
    nfd = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Nmt()])
    put("wordlevel", finish(js, nfd, pre, None, None, FLAGS, ["<unk>", "<s>"]))
    odd, _ = byte_level(lines, size(330), [], normalizers.NFKD())
    pre = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("|"), pre_tokenizers.Split(",", "merged_with_next"), pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "contiguous"),
                                   pre_tokenizers.Punctuation("merged_with_previous"), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)])
    put("odd", finish(odd, normalizers.Sequence([normalizers.NFKD(), normalizers.Strip(True, False)]), pre, trim, decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)]), FLAGS, []))
    return out


# ---- difficult strings

def texts():
    t = ["", " ", "  ", "a", "Hello world", " Hello  world ", "hello\nworld\r\n\r\n  next\tline ", "don't DON'T we'll I'm you're they've he'd 'S 'LL 'ſ it's", "x" * 40, "ab " * 12]
    t += SENTENCES[1:2] + SENTENCES[5:6] + SENTENCES[7:]
    t += ["The quick brown fox jumps over the lazy dog", "12345 1 22 333 4444 ½ ² ³ Ⅷ ٣٤ ४५", "HTTPServer XMLParser aB Ab ABc abC", "…… --- *** /// !!! ?!?!", "a\u0301 e\u0301 n\u0303 o\u0308 \u0301x",
          "Å Å A\u030a", "ﬁ ﬀ ① ㎏ ｆｕｌｌ ﷺ", "각 \u1100\u1161\u11a8 가\u11a8", "क्षि ক্ষ நி \u0915\u094d\u200d\u0937", "ก็ ไทย", "\u200bzero\u200cwidth\u200djoin\ufeff", "\x00\x01\x07\x1b\x7f\x85\xa0",
          "\u2028\u2029\u3000\u1680\u2003x\u202f\u205f", "👩‍👩‍👧‍👦👍🏽🇩🇪🇫🇷❤️©️", "𝒜𝓁𝑔 𐍈 𠀀 𝟘", "\u0345\u0301\u0327\u0323a\u0323\u0327\u0301", "İI\u0307 ẞß ΣΑΣ ǅ", "▁hello ▁▁world a▁b", "##ing ##", "</w> a</w>b", "<0x41> <0x0A>",
          "<plain> a <left> b <right> c <both> d word sword word. Normy normy NORMY ÉTÉ été E\u0301TE\u0301 <sp><spN><pl <pla   z", "<s>a</s><unk><pad><mask>[CLS][SEP] [MASK] <image>\nWhat?", "New York new york NEW YORK  new york",
          "<|im_start|>user\nHi<|im_end|>\n<|endoftext|> <|startoftext|><|END|>", "unreach unreachable", "a,b,,c|d||e", "日本語 テキスト 中文。漢字", "Ω≈ç√∫˜µ≤≥÷", "a" + "\u0301" * 40 + "b", "\r\r\n\n \n  \n", "tab\tsep\x0bvt\x0cff", "e\u0301\u0301 か\u3099 \u304b\u3099",
          "🏳️‍🌈 1️⃣", "\ufffd\ufffe", "Mr. & Mrs. O'Neil-Smith (a.k.a. \"Bob\") paid $5.00/hr @ 50%!", " \u3000<left>\u2003x", "x<both>   <both>y"]
    return t


def ids_to_decode(size, count, seed):
    rng = random.Random(seed)
    return [[rng.randrange(size + 3) for _ in range(rng.randint(0, 12))] for _ in range(count)]


def expected(t, strings, decode_seed):
    """ids with special tokens, how many without, text without special tokens, text with them (null: the same)."""
    clip = json.loads(t.to_str())["model"].get("end_of_word_suffix") == "</w>"
    text = lambda s: s.replace("</w>", " ").strip() if clip else s  # as CLIPTokenizer does after the library
    both = lambda ids: [text(t.decode(ids)), text(t.decode(ids, skip_special_tokens=False))]
    pairs = [both(e.ids) for e in t.encode_batch(strings)]
    return {"ids": [e.ids for e in t.encode_batch(strings)], "plain": [len(e.ids) for e in t.encode_batch(strings, add_special_tokens=False)],
            "decoded": [a for a, _ in pairs], "kept": [b if a != b else None for a, b in pairs],
            "random": [[ids, *both(ids)] for ids in ids_to_decode(t.get_vocab_size(), 8, decode_seed)]}


def dump(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))


def write(folder, name, built):
    js, config, model_config = built
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    dump(os.path.join(folder, name, "tokenizer.json"), js)
    if config:
        dump(os.path.join(folder, name, "tokenizer_config.json"), config)
    if model_config:
        dump(os.path.join(folder, name, "config.json"), model_config)


def directories(folder, built, strings):
    """Directories that transformers reads otherwise than the library: other files, tokens from the configuration, a class
    that rebuilds. NAME -> whether --tokenizer-rebuild is meant, and the ids."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    from transformers import AutoTokenizer

    def files(name):
        model = built[name][0]["model"]
        return {"vocab.json": model["vocab"], "merges.txt": "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"])}

    token = lambda content, **flags: {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **flags}
    top = max(built["llama3"][0]["model"]["vocab"].values())
    decoder = {str(top + 1): token("<|begin_of_text|>", lstrip=True), str(top + 50): token("<pl"), str(top + 60): token("red", normalized=True, special=False, single_word=True)}
    words = built["bert"][0]["model"]["vocab"]
    llama = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    out = {}
    for name, model_type, config, contents, rebuild in (
            ("clip_files", "clip", {"tokenizer_class": "CLIPTokenizer", "additional_special_tokens": ["<plain>"]}, files("clip"), False),
            ("qwen2_files", "qwen2", {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": True, "bos_token": "<s>"}, {**files("qwen2"), "added_tokens.json": {"<left>": 900}}, False),
            ("bert_files", "bert", {"do_lower_case": False}, {"vocab.txt": "".join(t + "\n" for t in sorted(words, key=words.get))}, False),
            ("llama3_tokens", "llama", {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": decoder, "mask_token": "<mask>", "extra_special_tokens": ["quick"]},
             {"tokenizer.json": built["llama3"][0]}, False),
            ("llama2_rebuilt", "llama", llama, {"tokenizer.json": built["llava"][0]}, True)):
        where = os.path.join(folder, name)
        os.makedirs(where, exist_ok=True)
        dump(os.path.join(where, "config.json"), {"model_type": model_type})
        dump(os.path.join(where, "tokenizer_config.json"), config)
        for file, value in contents.items():
            if isinstance(value, str):
                with open(os.path.join(where, file), "w", encoding="utf-8") as f:
                    f.write(value)
            else:
                dump(os.path.join(where, file), value)
        t = AutoTokenizer.from_pretrained(where)
        out[name] = {"rebuild": rebuild, "ids": [t(s).input_ids for s in strings]}
    return out


def main(folder):
    strings, built = texts(), families()
    cases = {"texts": strings, "families": {}}
    for i, (name, one) in enumerate(built.items()):
        if name in ("clip_old", "roberta_prefix"):  # nothing that another does not show; the peers' script compares them
            continue
        write(folder, name, one)
        cases["families"][name] = expected(Tokenizer.from_str(json.dumps(one[0])), strings, i)
    cases["directories"] = directories(folder, built, strings)
    dump(os.path.join(folder, "cases.json"), cases)


if __name__ == "__main__":
    main(*sys.argv[1:])
