"""Small good files for test/fuzz, beside the larger golden ones: python test/reference/make_fuzz_seeds.py (needs numpy).

A run through a parser takes as long as its input is long, and what is wrong with a file is seldom its length."""
import io
import os
import tarfile

import numpy as np

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "seeds")


def write(name, content):
    with open(os.path.join(SEEDS, name), "wb") as f:
        f.write(content)


def archive(form, name, headers, members=1):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, pax_headers=headers) as t:
        for member, content in ((name + ".jpg", b"abc"), (name + ".txt", b"a cat"))[:members]:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    used = len(out.getvalue().rstrip(b"\0"))
    return out.getvalue()[: (used + 511) // 512 * 512]


def joined(*parts):
    """As test/fuzz's fuzz_part takes them apart."""
    return b"\0".join(p if isinstance(p, bytes) else p.encode() for p in parts)


def main():
    write("short.ustar.tar", archive(tarfile.USTAR_FORMAT, "d" * 60 + "/" + "s" * 60, {}, 2))
    write("short.gnu.tar", archive(tarfile.GNU_FORMAT, "s" * 120, {}))
    write("short.pax.tar", archive(tarfile.PAX_FORMAT, "ä" * 60, {}))
    write("short.csv", b'id,"a ""b""",c\r\n1,"x,\r\ny",0.5\r\n2,,NaN\r\n')
    write("short.tsv", b"id\ttext\n1\ta b\n2\t\"c\td\"\n")
    write("answer.txt", b'{    "a dog": ["animal", "state", ""],    "\\u00e9t\\ud83d\\ude00": ["UNKNOWN", ""]}')
    packed = io.BytesIO()
    np.savez_compressed(packed, a=np.arange(6, dtype="<f4").reshape(2, 3), b=np.array(["x", "yz"]))
    write("short.npz", packed.getvalue())

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "2", "caf", "##es", "##s", ",", "it", "'"]
    write("vocabulary.bert", joined('{"model_type":"bert"}', '{"do_lower_case":true}', "", "", "", "\n".join(words) + "\n"))
    tokens = ["A", "o", "f", "Ġ", "p", "h", "t", "Ġp", "Ġo", "of", "Ġof", "<|endoftext|>"]
    vocab = "{%s}" % ",".join('"%s":%d' % (t, i) for i, t in enumerate(tokens))
    write("vocabulary.qwen2", joined('{"model_type":"qwen2_vl"}', '{"tokenizer_class":"Qwen2Tokenizer"}', '{"<|im_end|>":12}', vocab, "#version: 0.2\nĠ p\nĠ o\no f\nĠo f\n", ""))
    tokens = ["a", "a</w>", "o", "f</w>", "of</w>", "<|startoftext|>", "<|endoftext|>"]
    vocab = "{%s}" % ",".join('"%s":%d' % (t, i) for i, t in enumerate(tokens))
    write("vocabulary.clip", joined('{"model_type":"clip"}', '{"tokenizer_class":"CLIPTokenizer"}', "", vocab, "#version: 0.2\no f</w>\n", ""))


main()
