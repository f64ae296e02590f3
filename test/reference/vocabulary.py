"""Small tokenizer.json files of the kinds that the families use, trained on a few sentences; at most `size` tokens."""
import json
import re
from collections import Counter

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = [
    "a red circle left of a blue square", "a small green triangle above the large yellow star",
    "two striped creatures on wet sand, one of them behind a rock", "what is in the picture? a photo of a cat.",
    "the picture shows three birds and a tree under a grey sky", "is the dog near the house? yes, it is close to the door.",
    "an old boat floats on the quiet lake while the sun sets", "describe the image in one short sentence.",
    "it's far away: 12 trees, 7 stones and 305 leaves!", "where does the cat sit? on top of the table.",
]


def as_dict(tokenizer, **changes):
    d = json.loads(tokenizer.to_str())
    d.update(changes)
    return d


def trained(tokenizer, trainer):
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def byte_level(size, special, add_prefix_space=False, pattern=None, bos=None):
    """Llama-3, Qwen2, OLMo: byte-level BPE; the special tokens come last, as there."""
    t = Tokenizer(models.BPE())
    if pattern:
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    t.decoder = decoders.ByteLevel()
    trained(t, trainers.BpeTrainer(vocab_size=size - len(special), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                   show_progress=False))
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    if bos:
        t.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
                                                         special_tokens=[(bos, t.token_to_id(bos))])
    return as_dict(t)


def sentencepiece(size, extra=()):
    """Llama-2, Mistral, Gemma: BPE on characters with byte fallback, a leading space, <s> in front."""
    special = ["<unk>", "<s>", "</s>"]
    base = special + [f"<0x{b:02X}>" for b in range(256)]
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    # trained on words, so that merges do not cross spaces; the file has no pre-tokenizer, as the published ones
    t.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    trained(t, trainers.BpeTrainer(vocab_size=size - len(extra), special_tokens=base, show_progress=False))
    t.pre_tokenizer = None
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    if extra:
        t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in extra])
    d = as_dict(t)
    d["added_tokens"] = [a for a in d["added_tokens"] if not a["content"].startswith("<0x")]
    return d


def words():
    return Counter(w for line in TEXT for w in re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]", line.lower()))


def clip_merges(size):
    """Byte-pair encoding by hand: the library's trainer numbers letters that end a word in the order of a hash map."""
    split = {w: list(w[:-1]) + [w[-1] + "</w>"] for w in words()}
    letters = sorted({c for w in split for c in w})
    vocab, merges = letters + [c + "</w>" for c in letters], []
    while len(vocab) < size:
        pairs = Counter()
        for w, n in words().items():
            for pair in zip(split[w], split[w][1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        vocab.append("".join(best))
        for w, parts in split.items():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i:i + 2] = ["".join(best)]
                i += 1
    return {v: i for i, v in enumerate(vocab[:size])}, merges


def clip(size):
    """CLIP: lower-cased words with </w>; only the letters that TEXT needs. <|startoftext|> and <|endoftext|> come last."""
    vocab, merges = clip_merges(size - 2)
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>",
                             unk_token="<|endoftext|>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""),
                             "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    d = as_dict(t)
    vocab = d["model"]["vocab"]
    for s in ("<|startoftext|>", "<|endoftext|>"):
        vocab[s] = len(vocab)
        d["added_tokens"].append({"id": vocab[s], "content": s, "single_word": False, "lstrip": False, "rstrip": False,
                                  "normalized": False, "special": True})
    d["post_processor"] = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", vocab["<|endoftext|>"]],
                           "cls": ["<|startoftext|>", vocab["<|startoftext|>"]], "trim_offsets": False, "add_prefix_space": False}
    return d


def wordpiece(size):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted({c for w in words() for c in w})
    common = sorted(words(), key=lambda w: (-words()[w], w))
    vocab = list(dict.fromkeys(special + letters + ["##" + c for c in letters if c.isalnum()] + ["##ing", "##ed", "##er"] + common))[:size]
    t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(vocab)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                     special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return as_dict(t)


def roberta(size):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    trained(t, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                   initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    return as_dict(t)
