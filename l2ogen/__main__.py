"""python -m l2ogen"""

from .cli import main

main()
