"""Reads the pickle of a torch checkpoint without calling, importing or building anything that it names.

`pickle` runs what a file names. Here the file's opcodes (decoded by pickletools, which only parses) make numbers,
texts, lists, dictionaries and the three records below, and names outside a small list end the reading.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field

from twelvelead.errors import ModelError

# Classes of configurations and of the plain values in them. Objects of these become PlainObject: names, not code.
CONFIGURATION_CLASSES = {
    "__builtin__": "object dict list tuple set frozenset str unicode int float bool bytes complex type",
    "_codecs": "encode",
    "_operator": "getitem",
    "argparse": "Namespace",
    "builtins": "object dict list tuple set frozenset str int float bool bytes complex type",
    "collections": "OrderedDict defaultdict Counter",
    "copy_reg": "_reconstructor",
    "copyreg": "_reconstructor",
    "datetime": "datetime date timedelta",
    "numpy": "dtype",
    "numpy._core.multiarray": "scalar",
    "numpy.core.multiarray": "scalar",
    "operator": "getitem",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "PosixPath WindowsPath PurePosixPath PureWindowsPath",
    "torch": "Size device float16 float32 float64 bfloat16 int64",
    "types": "SimpleNamespace",
}
# Packages whose classes appear in configurations, enumerations included; none of them is ever imported for it.
# omegaconf keeps types beside values, Optional[str] for one as operator.getitem(typing.Union, (str, type(None))).
CONFIGURATION_PACKAGES = ("omegaconf", "hydra", "fairseq", "fairseq_signals", "typing")
DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "collections.Counter")
TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
STORAGES = {
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.DoubleStorage": "float64",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
ALLOWED_NAMES = {
    *(f"{module}.{name}" for module, names in CONFIGURATION_CLASSES.items() for name in names.split()),
    *TENSORS,
    *PARAMETERS,
    *STORAGES,
}


@dataclass(frozen=True)
class Name:
    """A global that the pickle names, "module.name"; never looked up."""

    path: str


@dataclass(eq=False)
class PlainObject:
    """An object of an allowed class: what the pickle would have called the class with and set on the result."""

    name: str
    arguments: tuple
    state: dict = field(default_factory=dict)
    items: list = field(default_factory=list)
    mapping: dict = field(default_factory=dict)


@dataclass(frozen=True)
class TensorRecord:
    """Where a tensor lies: elements of `dtype` in the checkpoint's storage `key`, which holds `n_stored` of them."""

    dtype: str
    key: str
    n_stored: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def load(content: bytes, source: str) -> object:
    """The object in a pickle, of plain Python values, PlainObject and TensorRecord.

    source  the file's name, for messages
    Raises ModelError that names the first global not allowed, or what is malformed.
    """
    machine = _Machine(source)
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.run(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{source}: malformed pickle ({type(error).__name__}: {str(error)[:80]}), expected a checkpoint as "
            "torch.save writes it; fetch the file again"
        ) from error
    raise ModelError(f"{source}: its pickle does not end, expected a whole checkpoint; fetch the file again")


class _Machine:
    """The stack machine of the pickle format, without the opcodes that would need anything executed."""

    def __init__(self, source: str):
        self.source = source
        self.stack: list = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self, opcode: str, argument: object) -> None:
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _MEMO_WRITES:
            self.memo[len(self.memo) if opcode == "MEMOIZE" else argument] = self.stack[-1]
        elif opcode in _MEMO_READS:
            self.stack.append(self.memo[argument])
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME"):
            raise ModelError(
                f"{self.source}: refused, its pickle uses {opcode}, which no checkpoint of tensors and plain "
                "configuration needs; get it from its publisher"
            )

    def mark(self, _) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def last(self, count: int) -> tuple:
        if len(self.stack) < count:
            raise ValueError("its stack is too short")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values

    def name(self, argument: str | None) -> None:
        module, name = self.last(2) if argument is None else argument.split(" ", 1)
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a global's name is no text")
        path = f"{module}.{name}"
        of_package = module.split(".")[0] in CONFIGURATION_PACKAGES and name.isidentifier()
        if path not in ALLOWED_NAMES and not of_package:
            raise ModelError(
                f"{self.source}: refused, its pickle names {path[:200]!r}, which is neither a tensor nor plain "
                "configuration; nothing of it was run; get the checkpoint from its publisher"
            )
        self.stack.append(Name(path))

    def call(self, _) -> None:
        """REDUCE, NEWOBJ: what would call a class or a function records the call instead."""
        called, arguments = self.last(2)
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise ValueError("a call is not of a global with a tuple")
        self.stack.append(_made(called.path, arguments))

    def call_with_keywords(self, _) -> None:
        keywords = self.stack.pop()
        self.call(None)
        if isinstance(self.stack[-1], PlainObject):
            self.stack[-1].state.update(keywords)

    def build(self, _) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, PlainObject):
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, dict):
                    target.state.update(part)
        elif not isinstance(target, dict):  # state of an OrderedDict: the versions of torch's modules
            raise ValueError(f"state is set on a {type(target).__name__}")

    def append(self, values: list) -> None:
        target = self.stack[-1]
        if isinstance(target, PlainObject):
            target = target.items
        if not isinstance(target, list):
            raise ValueError(f"elements are added to a {type(target).__name__}")
        target.extend(values)

    def set_items(self, values: list) -> None:
        target = self.stack[-1]
        if isinstance(target, PlainObject):
            target = target.mapping
        if not isinstance(target, dict):
            raise ValueError(f"keys are set in a {type(target).__name__}")
        target.update(_dictionary(values))

    def persistent(self, _) -> None:
        """What torch calls a storage: ("storage", its class, key of its file, device, number of elements)."""
        identifier = self.stack.pop()
        match identifier:
            case ("storage", Name(path), str(key), _, int(n_stored)) if path in STORAGES and n_stored >= 0:
                self.stack.append((STORAGES[path], key, n_stored))
            case _:
                raise ValueError("a storage is not described as torch.save does")


def _dictionary(values: list) -> dict:
    if len(values) % 2:
        raise ValueError("a key without a value")
    keys = values[::2]
    # Nested tuples as keys would recurse in hash(), without limit.
    if not all(isinstance(key, str | int | float | bytes | PlainObject | None) for key in keys):
        raise ValueError("a dictionary's key is neither text nor number")
    return dict(zip(keys, values[1::2], strict=True))


def _made(path: str, arguments: tuple) -> object:
    if path in DICTIONARIES:
        given = arguments[-1] if arguments else {}
        if isinstance(given, list):
            return _dictionary([value for pair in given for value in pair])
        return given if isinstance(given, dict) else {}
    if path in TENSORS:
        (dtype, key, n_stored), offset, shape, stride = arguments[:4]
        if not all(type(number) is int and number >= 0 for number in (offset, *shape, *stride)):
            raise ValueError("a tensor's sizes are no whole numbers")
        return TensorRecord(dtype, key, n_stored, offset, tuple(shape), tuple(stride))
    if path in PARAMETERS:
        return arguments[0]
    if path in STORAGES:
        raise ValueError("a storage is made outside its place")
    if path.endswith("._reconstructor"):  # of pickle protocols 0 and 1: class, base, its value
        return PlainObject(arguments[0].path, ())
    if path == "torch.Size":
        return tuple(arguments[0])
    return PlainObject(path, arguments)


_CONSTANTS: dict[str, Callable] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # sets as lists: their elements need not be hashable here
}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_LITERALS = frozenset([*_NUMBERS, *_TEXTS, "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"])
_MEMO_WRITES = frozenset(["PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"])
_MEMO_READS = frozenset(["GET", "BINGET", "LONG_BINGET"])
_STEPS: dict[str, Callable[[_Machine, object], object]] = {
    "MARK": _Machine.mark,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.stack.append(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.stack.append(machine.last(3)),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(machine.since_mark()),
    "DICT": lambda machine, _: machine.stack.append(_dictionary(machine.since_mark())),
    "APPEND": lambda machine, _: machine.append(list(machine.last(1))),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.last(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
