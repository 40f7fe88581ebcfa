"""On the host: run a program in a session with a terminal of its own, its streams as they are.

For sudo with ``requiretty``: it wants a terminal to be there, and reads and writes none of it.
sshd's own would be in the way of what travels on standard input.
"""

import fcntl
import os
import pty
import sys
import termios

if __name__ == "__main__":
    master, terminal = pty.openpty()
    child = os.fork()
    if child == 0:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        os.execvp(sys.argv[1], sys.argv[1:])
    status = os.waitpid(child, 0)[1]
    sys.exit(os.waitstatus_to_exitcode(status) % 256)
