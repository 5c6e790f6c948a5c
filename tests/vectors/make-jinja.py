#!/usr/bin/env python3
"""Writes jinja.json: small templates with what Jinja2 writes for them, set up as transformers does it for chat templates.

usage: make-jinja.py OUT.json      (transformers 5.24.0, jinja2 3.1.6)

Each row is [template, output], with null where Jinja2 fails. The variables of all are those of VARIABLES.
"""
import json
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

VARIABLES = {
    "n": 7,
    "s": " a b ",
    "e": "",
    "yes": True,
    "no": False,
    "nil": None,
    "list": ["x", "y", "z"],
    "numbers": [3, 1, 2],
    "d": {"k": "v", "image": 1, "empty": ""},
    "messages": [
        {"role": "system", "content": "be"},
        {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image"}]},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nso"},
    ],
}
TEMPLATES = r"""
text only
a{{ n }}b
{{ 'x' ~ n ~ yes ~ nil ~ undefined_name ~ "y" }}
{{ 'a' + 'b' + s }}
{{ 'a' + 1 }}
{{ 'a' + nil }}
{{ 'a' + missing }}
{{ n + 1 }} {{ n - 10 }} {{ n * 2 }} {{ n // 2 }} {{ n % 4 }} {{ -n // 2 }} {{ -n % 4 }}
{{ n // 0 }}
{{ 2 + 3 * 4 - 1 }} {{ (2 + 3) * 4 }} {{ 1 ~ 2 + 3 }}
{{ 1 ~ 2 ~ 3 }} {{ 'n' ~ 1 + 'x' }}
{{ n > 3 and n < 9 }} {{ n >= 7 or missing.x }} {{ not n }} {{ not no and yes }}
{{ n == 7 }} {{ n != 7 }} {{ 'a' == "a" }} {{ nil == none }} {{ yes == True }} {{ missing == nil }}
{{ 'b' in s }} {{ 'q' not in s }} {{ 'x' in list }} {{ 'image' in d }} {{ 'no' in d }} {{ not 'x' in list }} {{ 3 in numbers }}
{{ 'a' in n }}
{{ 'yes' if n else 'no' }} {{ 'yes' if e else 'no' }} {{ 'only' if e }}|{{ 1 if no else 2 if no else 3 }}
{{ raise_exception('bad') if no else 'good' }}
{{ raise_exception('bad') }}
{{ s|trim }}|{{ s | trim | length }}|{{ list|length }}|{{ d|length }}|{{ 'äöü'|length }}
{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy'.lstrip('xy') }}|{{ '\n\na\n'.rstrip('\n') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith('bc') }} {{ ''.startswith('') }}
{{ 'a,b,c'.split(',')[0] }} {{ 'a,b,c'.split(',')[-1] }} {{ 'a,b,c'.split(',', 1)[1] }} {{ 'abc'.split('x')|length }}
{{ 'aXbX'.replace('X', '--') }} {{ 'aXbX'|replace('X', '') }} {{ 'aBc'.upper() }} {{ 'aBc'|lower }}
{{ list[0] }}{{ list[-1] }}{{ list[5] }} {{ list[1:]|join('+') }} {{ list[:-1]|join }} {{ list[::-1]|join(', ') }} {{ list[::2]|join }} {{ list[5:]|join }} {{ numbers[-2:]|first }}
{{ s[1:2] }}|{{ 'abcdef'[::-2] }}|{{ 'abc'[0] }}|{{ 'abc'[-1] }}
{{ list['x'] }}|{{ d['k'] }}|{{ d.k }}|{{ d['none'] }}|{{ d.none }}|{{ d.get('k') }}|{{ d.get('q', 'other') }}|{{ d.get('q') }}
{{ missing.member }}
{{ missing }}|{{ missing is defined }}|{{ n is defined }}|{{ missing is undefined }}|{{ d.q is defined }}
{{ s is string }} {{ list is string }} {{ d is mapping }} {{ list is mapping }} {{ list is iterable }} {{ n is iterable }} {{ nil is none }} {{ n is number }} {{ yes is boolean }} {{ yes is true }} {{ n is true }} {{ no is false }} {{ s is not string }} {{ list is sequence }}
{{ n is string and n.x.y }} {{ n is not string or n.x.y }}
{{ missing|default('d') }} {{ e|default('d') }}| {{ e|default('d', true) }} {{ nil|default('d') }} {{ missing|d('x') }}
{{ numbers|last }} {{ numbers|first }} {{ []|first }}|{{ [1, 'a', none]|length }} {{ {'a': 1, 'b': {'c': 2}}['b'].c }} {{ {}|length }}
{{ "it's" }} {{ 'say "hi"' }} {{ 'a\tb\\n\'' }} {{ '\x41\u00e4' }}
{% for x in list %}{{ x }}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{{ loop.revindex }};{% endfor %}
{% for x in [] %}a{% else %}none{% endfor %}{% for x in list %}b{% else %}none{% endfor %}
{% for x in list if x != 'y' %}{{ x }}{{ loop.index }}{{ loop.last }} {% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in d|items %}{{ k }}{% endfor %}
{% for x in missing %}a{% endfor %}b
{% for x in n %}a{% endfor %}
{% for x in list %}{% if x == 'y' %}{% continue %}{% endif %}{{ x }}{% endfor %}|{% for x in list %}{% if x == 'y' %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in list %}{% for y in numbers %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(2, 4) %}{{ i }}{% endfor %}{% for i in range(0) %}{{ i }}{% endfor %}
{% if n == 1 %}a{% elif n == 7 %}b{% elif raise_exception('x') %}c{% else %}d{% endif %}
{% if e %}a{% elif list %}b{% endif %}{% if not missing %}c{% endif %}{% if nil %}d{% else %}e{% if yes %}f{% else %}g{% endif %}h{% endif %}
{% if no %}{% for x in list %}{% if x %}{% else %}{% endif %}{% endfor %}{% else %}z{% endif %}
{% set a = 1 %}{% set b = a + 1 %}{{ a }}{{ b }}{% if yes %}{% set a = 5 %}{% endif %}{{ a }}
{% set a = 1 %}{% for x in list %}{% set a = a + 1 %}{{ a }}{% endfor %}{{ a }}
{% set ns = namespace(a=1, b='x') %}{% for x in list %}{% set ns.a = ns.a + 1 %}{% set ns.b = ns.b ~ x %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}
{% set block %}in {{ n }}{% endset %}[{{ block }}]
{% macro m(a, b='q', c=none) %}<{{ a }}{{ b }}{{ c }}{{ n }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=2) }}{{ m() }}|{{ m('x')|length }}
{% macro outer(x) %}{{ inner(x) }}!{% endmacro %}{% macro inner(x) %}[{{ x }}]{% endmacro %}{{ outer('a') }}
{% set a = 'g' %}{% macro m(x) %}{% set a = 'l' %}{{ a }}{{ x }}{% endmacro %}{{ m(1) }}{{ a }}{% for y in list %}{{ m(y) }}{% endfor %}
{% set ns = namespace(k=0) %}{% macro m() %}{% set ns.k = ns.k + 1 %}{{ ns.k }}{% endmacro %}{{ m() }}{{ m() }}{{ ns.k }}
{% for x in list %}{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% endfor %}
{# a comment {{ n }} #}x{#- another -#}   y
a   {%- if yes %}   b   {%- endif %}   c
a   {% if yes -%}   b   {% endif -%}   c
a {{- n -}} b
a\n  {% if yes %}\n  b\n  {% endif %}\nc\n
a\n  {%- if yes %}\n  b\n  {%- endif %}\nc\n
{% for x in list %}\n{{ x }}\n{% endfor %}\n
  {% set a = 1 %}\n  {{ a }}\n\n{# c #}\nend\n\n
x {% if yes %}\n y {% endif %} z\n
{%+ if yes %}\n  a\n{%+ endif %}\nb
{% if yes +%}\na{% endif +%}\nb
\t{% if yes %}\tq{% endif %}\n\t{# x #}\n\t{{ n }}
{{ '%}' }}{{ "}}" }}{% if '%}' == "%}" %}k{% endif %}{{ {'a': {'b': 1}}.a.b }}
{% generation %}g{{ n }}{% endgeneration %}
{{ d }}
{{ list }}
{{ nil.x }}
{{ n.x }}|{{ s.x }}|{{ list.x }}
{{ 'a' 'b' }}
{{ unknown_function() }}
{{ s|unknown_filter }}
{{ s is unknown_test }}
{% if no %}{{ s|reverse }}{% endif %}
{{ s
{% if yes %}a
{% endif %}
{% for x list %}{% endfor %}
{{ }}
{{ 1 + }}
{{ (1 }}
{{ n ) }}
{%- set ns = namespace(last=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if message.role == "user" and not (message.content is string and message.content.startswith('<tool_response>')) %}{%- set ns.last = index %}{%- endif %}{%- endfor %}{{ ns.last }}
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}{%- if message.content is string %}{%- set c = message.content.split('</think>')[-1].lstrip('\n') %}{{- c }}{%- else %}{%- for p in message.content %}{%- if 'text' in p %}{{- p.text }}{%- elif p.type == 'image' or 'image' in p %}<|image_pad|>{%- endif %}{%- endfor %}{%- endif %}{{- '<|im_end|>\n' }}{%- endfor %}{%- if add_generation_prompt is defined and add_generation_prompt %}x{%- endif %}
{{ messages[0]['role'] }}{{ messages[1]['content'][0]['text'] }}{{ messages[2].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% set messages = messages[1:] %}{% endif %}{{ messages|length }}
{{ messages|selectattr('role', 'equalto', 'user')|list|length }}
{{ messages|map(attribute='role')|join(',') }}
{{ [s, n]|join('-') }}{{ (list + ['w'])|join }}
{{ dict(a=1, b=2).b }}
{% for x in list %}{{ loop.index }}{% endfor %}|{{ x }}
"""


def main():
    rows = []
    for template in TEMPLATES.strip("\n").split("\n"):
        if "\\n" in template and "{{ '" not in template and "'\\n'" not in template:
            template = template.replace("\\n", "\n").replace("\\t", "\t")
        try:
            output = _compile_jinja_template(template).render(**VARIABLES)
        except Exception:
            output = None
        rows.append([template, output])
    with open(sys.argv[1], "w") as f:
        json.dump({"variables": VARIABLES, "rows": rows}, f, indent=0, ensure_ascii=False)
        f.write("\n")


main()
