# SPDX-License-Identifier: BSD-2-Clause-Patent
PS1='guest# '
# Nothing but text on the console: scripts read it too.
bind 'set enable-bracketed-paste off'
echo "Ennead guest ready: $(uname -srm)"
