"""Writes a chat template of every family with the texts that transformers renders from it: test/golden/chat/NAME/… and
cases.json.

    python test/reference/chat_templates.py test/golden/chat

The templates are written here, with the same output and the same markers as the published ones; they lie in the three
places where published directories have them.
"""
import json
import os
import sys

from transformers.utils.chat_template_utils import render_jinja_template

PARTS = "{% macro show(m, picture) %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ picture if p.type == 'image' else p.text }}{% endfor %}{% endif %}{% endmacro %}"
VISION = "<|vision_start|><|image_pad|><|vision_end|>"
CHATML = PARTS + "{% for m in messages %}DEFAULT{{ '<|im_start|>' + m.role + '\\n' + show(m, '" + VISION + "')TRIM + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{{ THINK }}{% endif %}"
CHATML_TEXT = CHATML.replace(VISION, "")


def chatml(base, default=None, trim="", think="''"):
    system = "{%% if loop.first and m.role != 'system' %%}<|im_start|>system\n%s<|im_end|>\n{%% endif %%}" % default if default else ""
    return base.replace("DEFAULT", system).replace("TRIM", trim).replace("THINK", think)


CLOSED, OPENED = "'<think>\\n\\n</think>\\n\\n'", "'<think>\\n'"
HEADER = "'<|start_header_id|>' + %s + '<|end_header_id|>\\n\\n'"
LLAMA3 = "{% for m in messages %}{{ (bos_token if loop.first else '') + " + HEADER % "m.role" + " + m.content | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ " + HEADER % "'assistant'" + " }}{% endif %}"
LLAMA31 = ("{{ bos_token }}{% if messages[0].role == 'system' %}{% set own = messages[0].content | trim %}{% set messages = messages[1:] %}{% else %}{% set own = '' %}{% endif %}"
           "{% set day = '26 Jul 2024' %}{{ " + HEADER % "'system'" + " + 'Cutting Knowledge Date: December 2023\\nToday Date: ' + day + '\\n\\n' + own + '<|eot_id|>' }}" + LLAMA3.replace("(bos_token if loop.first else '') + ", ""))
INST = ("{% if messages[0].role == 'system' %}{% set own = messages[0].content %}{% set messages = messages[1:] %}{% endif %}BOS{% for message in messages %}{% if message.role == 'user' %}"
        "{{ OPEN + (own + '\\n\\n' if loop.first and own is defined else '') + message.content + CLOSE }}{% else %}{{ SPACEmessage.content + eos_token }}{% endif %}{% endfor %}")
MISTRAL = INST.replace("BOS", "{{ bos_token }}").replace("OPEN", "'[INST] '").replace("CLOSE", "' [/INST]'").replace("SPACE", "")
MISTRAL3 = INST.replace("BOS", "{{ bos_token }}").replace("OPEN", "' [INST] '").replace("CLOSE", "'[/INST]'").replace("SPACE", "' ' + ")
LLAMA2 = ("{% if messages[0].role == 'system' %}{% set own = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}{% set messages = messages[1:] %}{% else %}{% set own = '' %}{% endif %}{% for m in messages %}"
          "{% if m.role == 'user' %}{{ bos_token + '[INST] ' + ((own if loop.first else '') + m.content).strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
GEMMA = ("{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + m.content | trim + '<end_of_turn>\\n' }}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}")
OLMO = ("{{ bos_token }}{% for m in messages %}{{ {'system': '<|system|>', 'user': '<|user|>', 'assistant': '<|assistant|>'}[m.role] + '\\n' + m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}"
        "{% if m.role != 'assistant' or not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}")
LLAVA = ("{% for m in messages %}{% if m.role != 'system' %}{{ m.role | upper + ': ' }}{% endif %}{% for p in m.content if p.type == 'image' %}{{ '<image>\\n' }}{% endfor %}"
         "{% for p in m.content if p.type == 'text' %}{{ p.text + ' ' }}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
IDEFICS2 = ("{% for m in messages %}{{ m.role | capitalize + (':' if m.content[0].type == 'image' else ': ') }}{% for p in m.content %}{{ '<image>' if p.type == 'image' else p.text }}{% endfor %}<end_of_utterance>\n"
            "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")
MOLMO = "{% for m in messages %}{{ ' ' + m.role.capitalize() + ': ' + m.content }}{% endfor %}{% if add_generation_prompt %}{{ ' Assistant:' }}{% endif %}"

S, EOT = {"bos_token": "<s>", "eos_token": "</s>"}, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
# name: template, model_type, takes images, takes a system turn, special tokens, other arguments of the template
FAMILIES = {
    "llava": (LLAVA, "llava", True, True, S, {}),
    "idefics2": (IDEFICS2, "idefics2", True, True, S, {}),
    "smolvlm": ("<|im_start|>" + IDEFICS2, "smolvlm", True, True, {}, {}),
    "qwen2_vl": (chatml(CHATML, "You are a helpful assistant."), "qwen2_5_vl", True, True, {}, {}),
    "qwen2": (chatml(CHATML_TEXT, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."), "qwen2", False, True, {}, {}),
    "qwen2_tuned": (chatml(CHATML_TEXT, "Answer in verse, please."), "qwen2", False, True, {}, {}),
    "qwen3_vl": (chatml(CHATML), "qwen3_vl", True, True, {}, {}),
    "qwen3": (chatml(CHATML_TEXT, think="%s if enable_thinking is defined and enable_thinking is false else ''" % CLOSED), "qwen3", False, True, {}, {}),
    "qwen3_off": (chatml(CHATML_TEXT, think="%s if enable_thinking is defined and enable_thinking is false else ''" % CLOSED), "qwen3", False, True, {}, {"enable_thinking": False}),
    "qwen3_5": (chatml(CHATML, trim=" | trim", think="%s if enable_thinking is defined and enable_thinking is true else %s" % (OPENED, CLOSED)), "qwen3_5", True, True, {}, {}),
    "qwen3_5_on": (chatml(CHATML, trim=" | trim", think="%s if enable_thinking is defined and enable_thinking is true else %s" % (OPENED, CLOSED)), "qwen3_5", True, True, {}, {"enable_thinking": True}),
    "llama2": (LLAMA2, "llama", False, True, S, {}),
    "llama3": (LLAMA3, "llama", False, True, EOT, {}),
    "llama31": (LLAMA31, "llama", False, True, EOT, {}),
    "mistral": (MISTRAL, "mistral", False, True, S, {}),
    "mistral3": (MISTRAL3, "mistral", False, True, S, {}),
    "gemma": (GEMMA, "gemma2", False, False, {"bos_token": "<bos>", "eos_token": "<eos>"}, {}),
    "olmo": (OLMO, "olmo2", False, True, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, {}),
    "molmo": (MOLMO, "molmo", False, False, {}, {}),
}
LONG = "line one\n  line two é 你好 <image>"
CONVERSATIONS = [  # (role, text, images); the last field: generation prompt
    ([("user", "What is this?", 1)], True), ([("user", "What is this?", 1)], False), ([("user", "Hello", 0)], True), ([("user", "Compare.", 3)], True), ([("user", "", 2)], True),
    ([("system", "Be brief.", 0), ("user", " two  spaces \n", 1)], True), ([("user", "\u3000wide\x1d", 0)], True), ([("system", " padded ", 0), ("user", "", 0)], True),
    ([("user", LONG, 0), ("assistant", " An answer. ", 0), ("user", "And?", 0)], True), ([("user", "q", 1), ("assistant", "a", 0), ("user", "r", 1), ("assistant", "b", 0)], False),
]


def dump(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))


def main(folder):
    cases = {}
    for i, (name, (template, model_type, pictures, system, tokens, more)) in enumerate(FAMILIES.items()):
        where, config = os.path.join(folder, name), dict(tokens)
        os.makedirs(where, exist_ok=True)
        if i % 4 == 0:
            with open(os.path.join(where, "chat_template.jinja"), "w", encoding="utf-8") as f:
                f.write(template)
        elif i % 4 == 1:
            dump(os.path.join(where, "chat_template.json"), {"chat_template": template})
        else:
            config["chat_template"] = template if i % 4 == 2 else [{"name": "other", "template": "x"}, {"name": "default", "template": template}]
        if config:
            dump(os.path.join(where, "tokenizer_config.json"), config)
        dump(os.path.join(where, "config.json"), {"model_type": model_type})
        cases[name] = []
        for turns, prompt in CONVERSATIONS:
            if any(n for _, _, n in turns) and not pictures or any(r == "system" for r, _, _ in turns) and not system:
                continue
            messages = [{"role": r, "content": [{"type": "image"}] * n + [{"type": "text", "text": t}] if pictures else t} for r, t, n in turns]
            (text,), _ = render_jinja_template(conversations=[messages], chat_template=template, add_generation_prompt=prompt, **{"bos_token": "", "eos_token": "", **tokens, **more})
            cases[name].append({"turns": turns, "prompt": prompt, "thinking": more.get("enable_thinking"), "text": text})
    dump(os.path.join(folder, "cases.json"), cases)


if __name__ == "__main__":
    main(*sys.argv[1:])
