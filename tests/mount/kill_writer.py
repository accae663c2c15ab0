"""Write pairs of files and commit them, for ever; note each commit that was acknowledged.

argv: mountctl, repository, branch folder, branch, first number, journal on the plain disk. A file says in
its first line which number it is, and its bytes follow from that: so anybody can tell a torn file.
"""

import os
import pathlib
import random
import subprocess
import sys


def contents(branch, name, number):
    draw = random.Random(f"{branch} {name} {number}")
    body = draw.randbytes(draw.choice([100, 5000, 300_000, 1_300_000]))
    return f"{branch} {name} {number} {len(body)}\n".encode() + body


def number_in(path):
    """The number a file holds; an error when it is not exactly what was written for it."""
    data = pathlib.Path(path).read_bytes()
    branch, name, number, _ = data.split(b"\n", 1)[0].decode().split(" ")
    assert data == contents(branch, name, int(number)), f"{path} is torn"
    return int(number)


def main():
    mountctl, repository, folder, branch, number, journal = sys.argv[1:]
    folder, number = pathlib.Path(folder), int(number)
    with open(journal, "a") as acknowledged:
        while True:
            number += 1
            for name in ("one.bin", "two.bin"):
                data = contents(branch, name, number)
                if number % 3 == 0:  # in place
                    with open(folder / name, "wb") as file:
                        file.write(data)
                else:  # as safetensors does
                    with open(folder / f".tmp{name}", "wb") as file:
                        file.write(data)
                        os.rename(folder / f".tmp{name}", folder / name)
            done = subprocess.run(
                [mountctl, "commit", "-r", repository, "-b", branch, "-m", f"number {number}"],
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                sys.exit(3)
            acknowledged.write(f"{done.stdout.strip()} {number}\n")
            acknowledged.flush()


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"ended by {error}")
