#!/bin/sh
# slim.sh VENV: takes out of installed packages what no process of the product uses.
set -eu
packages=$(echo "$1"/lib/python3.*/site-packages)
# of a thousand languages the product speaks two; a language begins with its region-less file
find "$packages/babel/locale-data" -name '*.dat' \
    ! -name root.dat ! -name 'en*.dat' ! -name 'de*.dat' -delete
# names of functions for debuggers
find "$packages" -type f -name '*.so*' -exec strip --strip-unneeded {} +
