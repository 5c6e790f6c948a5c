#!/usr/bin/env python3
"""Names statements of bats files whose failure bats does not see: FILE:LINE, status 1 if there are any.

A test ends at the first command that fails, but the shell does not count what fails before && or behind `!`. So `A && B`
and `! A` check nothing, unless their status becomes that of the whole test, function or subshell. Write two lines, `run`,
`if`, or `A || return 1`. What `A && return` (break, continue, exit, skip) does is a choice, not a check.
Files that a bats file loads are looked at too; texts of other shells (bash -c '...') and $(...) are not."""
import os, re, sys

QUOTED = re.compile(r"'[^']*'|\\.", re.S)
REDIRECT = re.compile(r"&>>?|<<<|[0-9]*[<>]+[&|]?-?")
OPERATOR = re.compile(r"&&|\|\||;;&|;;|;&|\|&|[;&|()\n]")
HERE = re.compile(r"""[ \t]*((?:'[^']*'|"[^"]*"|[^\s;&|()<>])+)""")
CASE = re.compile(r"\bcase\s+\S+\s+in\b.*?\besac\b", re.S)
LEAVES = {"return", "break", "continue", "exit", "skip"}
ENDS = {"&&", "||", ";;&", ";;", ";&", "|&", ";", "&", "|", "(", ")", "\n"}
WHOSE, OWN, NOBODY = range(3)  # who sees the status of a list within a command: as for the command, somebody, nobody


def cannot(path, line):
    sys.exit(f"{path}:{line}: cannot make out this command")


class Words:
    """Words and operators of a shell text with their lines; each word keeps its quotes."""

    def __init__(self, path, text):
        self.text, self.at, self.here, self.tokens = text, 0, [], []
        while self.at < len(text):
            begin = self.at
            try:
                self.step()
            except (IndexError, TypeError, AttributeError, ValueError):  # something ends nowhere
                cannot(path, self.line(begin))
        self.tokens.append(("\n", self.line(self.at)))

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def step(self):
        c = self.text[self.at]
        operator = OPERATOR.match(self.text, self.at)
        if self.text.startswith("\\\n", self.at):
            self.at += 2
        elif c in " \t":
            self.at += 1
        elif c == "#":
            self.at = (self.text + "\n").index("\n", self.at)
        elif operator and not REDIRECT.match(self.text, self.at):
            self.tokens.append((operator[0], self.line(self.at)))
            self.at = operator.end()
            if c == "\n":
                self.skip_here_documents()
        else:
            self.word()

    def word(self):
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in " \t\n;|)":
            redirect = REDIRECT.match(self.text, self.at)
            if self.text[self.at] == "(" and self.text[self.at - 1] not in "=?*+@!" or self.text[self.at] == "&" and not redirect:
                break
            if redirect and redirect[0].lstrip("0123456789")[0] in "<>&":
                self.redirect(redirect)
            else:
                self.piece()
        self.tokens.append((self.text[begin:self.at], self.line(begin)))

    def redirect(self, match):
        self.at = match.end()
        if match[0] in ("<", ">") and self.text.startswith("(", self.at):
            self.nested(")")
        elif match[0] in ("<<", "<<-"):
            self.here_document(match[0] == "<<-")

    def here_document(self, tabs):
        end = HERE.match(self.text, self.at)
        self.here.append((re.sub(r"['\"\\]", "", end[1]), tabs))
        self.at = end.end()

    def piece(self):
        """One character of a word, or all that stands in a pair of quotes, braces or brackets."""
        c, quoted = self.text[self.at], QUOTED.match(self.text, self.at)
        if self.text.startswith("$'", self.at):
            self.at = re.compile(r"\$'(\\.|[^'\\])*'", re.S).match(self.text, self.at).end()
        elif quoted:
            self.at = quoted.end()
        elif self.text.startswith("$((", self.at):
            self.at += 1
            self.nested("))")
        elif self.text[self.at:self.at + 2] in ("$(", "${"):
            self.at += 1
            self.nested({"(": ")", "{": "}"}[self.text[self.at]])
        elif c in "\"`(":
            self.nested({"(": ")"}.get(c, c))
        else:
            self.at += 1

    def nested(self, close):
        """What stands in quotes, braces or brackets; "))": in those of arithmetic, where << shifts."""
        outer, self.here = self.here, []
        self.at += len(close)
        while not self.text.startswith(close, self.at):
            self.within(close, self.text[self.at])
        self.at += len(close)
        self.here = outer

    def within(self, close, c):
        case = CASE.match(self.text, self.at) if close == ")" else None
        redirect = REDIRECT.match(self.text, self.at) if close in ")`" else None
        if case:
            self.at = case.end()
        elif close == '"' and c in "'(" or close == "}" and c == "(":
            self.at += 1
        elif close == "))" and c == "(":
            self.group()
        elif close == ")" and c == "#" and self.text[self.at - 1].isspace():
            self.at = self.text.index("\n", self.at)
        elif redirect and redirect[0].lstrip("0123456789") in ("<<<", "<<", "<<-"):
            self.redirect(redirect)
        else:
            self.piece()
            if c == "\n":
                self.skip_here_documents()

    def group(self):
        """Brackets within arithmetic."""
        self.at += 1
        while self.text[self.at] != ")":
            self.within("))", self.text[self.at])
        self.at += 1

    def skip_here_documents(self):
        for end, tabs in self.here:
            while self.at < len(self.text):
                line, _, _ = self.text[self.at:].partition("\n")
                self.at += len(line) + 1
                if (line.lstrip("\t") if tabs else line) == end:
                    break
        self.here = []


class Script:
    """The commands of a text. A list holds chains (line, joints, pipelines, background); a pipeline is (negated, word, commands);
    a command is what it holds: [(list, whose status that is)]."""

    def __init__(self, path, text):
        self.path, self.tokens, self.at, self.loaded = path, Words(path, text).tokens, 0, []
        try:
            self.chains = self.list(None)
        except IndexError:  # the file ends within a command
            cannot(path, self.tokens[-1][1])

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)][0]

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1][0]

    def skip(self, *words):
        while self.at < len(self.tokens) and self.peek() in words:
            self.at += 1

    def skip_to(self, end):
        while self.take() != end:
            pass

    def list(self, *ends):
        """Chains up to one of the ends, which is taken and kept in self.end; None: the end of the file."""
        chains = []
        self.skip("\n", ";")
        while self.at < len(self.tokens) and self.peek() not in ends:
            begin = self.at
            chains.append(self.chain())
            self.skip("\n", ";")
            if self.at == begin:
                break
        if not (self.peek() in ends if self.at < len(self.tokens) else None in ends):
            cannot(self.path, self.tokens[min(self.at, len(self.tokens) - 1)][1])
        self.end = None if None in ends else self.take()
        return chains

    def chain(self):
        line, joints, pipelines = self.tokens[self.at][1], [], [self.pipeline()]
        while self.peek() in ("&&", "||"):
            joints.append(self.take())
            self.skip("\n")
            pipelines.append(self.pipeline())
        background = self.peek() == "&"
        self.skip("&")
        return line, joints, pipelines, background

    def pipeline(self):
        negated = False
        while self.peek() in ("!", "time"):
            negated ^= self.take() == "!"
        word, commands = self.peek(), [self.command()]
        while self.peek() in ("|", "|&"):
            self.take()
            self.skip("\n")
            commands.append(self.command())
        return negated, word, commands

    def command(self):
        word, holds = self.peek(), []
        if word == "(" and self.peek(1) == "(":
            self.arithmetic()
        elif word in COMPOUND:
            self.take()
            holds = COMPOUND[word](self)
        elif word != "function" and (self.peek(1), self.peek(2)) != ("(", ")"):
            self.simple(word)
        else:
            holds = self.function()
        while self.peek() not in ENDS:  # redirections
            self.take()
        return holds

    def arithmetic(self):
        depth = 0
        while True:
            depth += {"(": 1, ")": -1}.get(self.take(), 0)
            if not depth:
                return

    def function(self):
        self.at += self.peek() == "function"
        self.take()
        self.at += 2 * (self.peek() == "(" and self.peek(1) == ")")
        self.skip("\n")
        return [(chains, OWN if whose == WHOSE else whose) for chains, whose in self.command()]

    def simple(self, word):
        while self.peek() not in ENDS:
            if self.take() == word and word in ("load", "source", "."):
                self.loaded.append(re.sub(r"['\"]", "", self.peek()))

    def test(self):
        self.skip_to("{")
        return [(self.list("}"), OWN)]

    def either(self):
        holds = [(self.list("then"), OWN), (self.list("elif", "else", "fi"), WHOSE)]
        if self.end == "elif":
            holds += self.either()
        elif self.end == "else":
            holds.append((self.list("fi"), WHOSE))
        return holds

    def loop(self):
        holds = [(self.list("do"), OWN)]
        return holds + [(self.list("done"), NOBODY)]  # but for the last turn's

    def walk(self):
        self.skip_to("do")
        return [(self.list("done"), NOBODY)]

    def case(self):
        holds = []
        self.skip_to("in")
        self.skip("\n")
        while self.peek() != "esac":
            self.skip_to(")")
            holds.append((self.list(";;", ";&", ";;&", "esac"), WHOSE))
            if self.end == "esac":
                return holds
            self.skip("\n")
        self.take()
        return holds


COMPOUND = {
    "(": lambda s: [(s.list(")"), OWN)], "{": lambda s: [(s.list("}"), WHOSE)], "[[": lambda s: s.skip_to("]]") or [],
    "if": Script.either, "while": Script.loop, "until": Script.loop, "for": Script.walk, "select": Script.walk,
    "case": Script.case, "@test": Script.test,
}


def unseen(chains, seen):
    """Lines of the chains that check nothing. seen: whether somebody looks at the status of the last one."""
    lines = []
    for i, (line, joints, pipelines, background) in enumerate(chains):
        told = background or seen and i == len(chains) - 1
        negated, word, _ = pipelines[-1]
        if not told and (negated or joints and joints[-1] == "&&" and word not in LEAVES):
            lines.append(line)
        for j, (negated, _, commands) in enumerate(pipelines):
            looked_at = told or negated or j < len(joints) or len(commands) > 1
            for within, whose in sum(commands, []):
                lines += unseen(within, looked_at if whose == WHOSE else whose == OWN)
    return lines


def check(path, done, home=None):
    """Messages for a file and for those that it loads; home: the folder of the tests."""
    home = os.path.dirname(path) if home is None else home
    if path in done:
        return []
    done.add(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError as e:
        sys.exit(f"{path}: {e.strerror}")
    script, lines = Script(path, text), text.split("\n")
    found = [f"{path}:{n}: nobody sees this fail: {lines[n - 1].strip()}" for n in sorted(set(unseen(script.chains, False)))]
    for name in script.loaded:
        name, beside = re.subn(r"\$BATS_TEST_DIRNAME\b|\$\{BATS_TEST_DIRNAME\}", lambda _: home or ".", name)
        name = name if beside else os.path.join(home, name)
        for loaded in (os.path.normpath(name + end) for end in ("", ".bash")):
            found += check(loaded, done, home) if os.path.isfile(loaded) else []
    return found


done = set()
found = sum((check(path, done) for path in sys.argv[1:]), [])
print("".join(message + "\n" for message in found), end="")
sys.exit(1 if found else 0)
