"""What pyproject.toml cannot say: a wheel carries grammar/ and specs/ inside the package.

A checkout keeps the two folders at the top, where people read them; `l2ogen.resources` finds them in
both places.
"""
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("grammar/*.lark", "specs/**/*.l2o")


class BuildWithSources(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # an editable install reads the checkout itself
            return
        for pattern in CARRIED:
            for file in sorted(Path().glob(pattern)):
                target = Path(self.build_lib, "l2ogen", file)
                self.mkpath(str(target.parent))
                self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": BuildWithSources})
