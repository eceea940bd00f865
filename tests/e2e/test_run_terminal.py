"""Full-screen programs in `credbroker run`, in a real terminal: tmux's."""

import contextlib
import secrets
import shlex
import shutil
import subprocess

import pytest

from conftest import wait_until

GRANT = "forge:repository=acme/api"

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None,
                                reason="needs tmux")


class Terminal:
    """A window of a tmux server of its own, with a shell in it."""

    def __init__(self, broker, columns=80, lines=24):
        self.broker = broker
        self.name = "crb-" + secrets.token_hex(6)
        self.folder = broker.folder / "tmux"
        self.folder.mkdir()
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x",
                  columns, "-y", lines,
                  "env PS1='prompt> ' bash --norc --noprofile -i")
        self.wait("prompt>")

    def tmux(self, *args):
        env = dict(self.broker.environment(), TMUX_TMPDIR=str(self.folder),
                   TERM="xterm-256color")
        done = subprocess.run(
            ["tmux", "-L", self.name, *map(str, args)], env=env, text=True,
            capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "t")

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "t", *keys)

    def line(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)
        self.keys("Enter")

    def wait(self, *texts):
        """Until all of these are on the screen."""
        try:
            return wait_until(
                lambda: all(t in (s := self.screen()) for t in texts) and s,
                f"{texts} on the screen")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.screen()}") from late

    def at_prompt(self):
        """What ran is over, and has left the terminal to the shell."""
        wait_until(lambda: self.screen().rstrip().endswith("prompt>"),
                   "the shell's prompt")

    def clear(self):
        self.line("clear")
        wait_until(lambda: self.screen().split() == ["prompt>"], "clear")

    def run(self, *command, options=()):
        words = self.broker.command(
            "run", "--quiet", "--task", "t", "--grant", GRANT, "--workspace",
            workspace(self.broker), *options, "--", *command)
        self.line(shlex.join(words))

    def stop(self):
        """Ctrl-Z.  The shell may speak before the program has put its screen
        away, so it is asked again."""
        self.keys("C-z")

        def stopped():
            self.line("jobs")
            return "Stopped" in self.screen()
        wait_until(stopped, "stop")

    def runs(self):
        """Nothing in it is stopped any more."""
        tty = self.tmux("display-message", "-p", "-t", "t", "#{pane_tty}")
        states = subprocess.run(["ps", "-t", tty.strip(), "-o", "stat="],
                                text=True, capture_output=True, check=True)
        return "T" not in states.stdout

    def resize(self, columns, lines):
        self.tmux("resize-window", "-t", "t", "-x", columns, "-y", lines)

    def is_over(self):
        try:
            self.tmux("has-session", "-t", "t")
        except AssertionError:
            return True
        return False

    def close(self):
        """The shell leaves when what runs in it has: nothing is hung up in
        the middle of its end."""
        try:
            self.line("exit")
            wait_until(self.is_over, "the shell's end")
        except AssertionError:
            with contextlib.suppress(AssertionError):
                self.tmux("kill-server")
            raise


def workspace(broker):
    path = broker.folder / "workspace"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def terminal(forge):
    made = Terminal(forge)
    yield made
    made.close()


# Shows its size, keys, and how it was interrupted; redraws when resized.
CURSES = """
import curses, signal

def main(screen):
    curses.raw() if RAW else curses.cbreak()
    said = []
    signal.signal(signal.SIGINT, lambda *_: said.append("interrupted"))
    while True:
        lines, columns = screen.getmaxyx()
        screen.erase()
        screen.addstr(0, 0, f"size {columns}x{lines}")
        screen.addstr(1, 0, " ".join(said))
        screen.addstr(lines - 1, 0, "bottom")
        screen.refresh()
        try:
            key = screen.getch()
        except KeyboardInterrupt:
            continue
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
        elif key == curses.KEY_UP:
            said.append("up")
        elif key == ord("q"):
            return
        elif key > 0:
            said.append(f"key{key}")

curses.wrapper(main)
"""


def curses_program(forge, raw=False):
    (workspace(forge) / "program.py").write_text(
        CURSES.replace("RAW", str(raw)))
    return "/usr/bin/python3", "program.py"


def test_a_full_screen_program_draws_and_takes_keys(terminal, forge):
    terminal.run(*curses_program(forge))
    terminal.wait("size 80x24", "bottom")
    terminal.keys("Up", "x")
    terminal.wait("up key120")
    terminal.keys("q")
    # The screen is as it was before, and the shell reads lines again.
    terminal.wait("program.py")
    terminal.at_prompt()
    terminal.line("echo $((40 + 2))")
    terminal.wait("42")


def test_it_hears_that_the_window_changed(terminal, forge):
    terminal.run(*curses_program(forge))
    terminal.wait("size 80x24")
    terminal.resize(101, 33)
    screen = terminal.wait("size 101x33", "bottom")
    assert screen.splitlines()[32].startswith("bottom")
    terminal.resize(60, 20)
    terminal.wait("size 60x20")
    terminal.keys("q")
    terminal.at_prompt()


def test_control_c_is_the_programs(terminal, forge):
    terminal.run(*curses_program(forge))
    terminal.wait("size 80x24")
    terminal.keys("C-c")
    terminal.keys("x")      # getch() goes on after a handled signal
    terminal.wait("interrupted")
    terminal.keys("q")
    terminal.at_prompt()


def test_a_raw_terminal_gives_control_keys_as_bytes(terminal, forge):
    terminal.run(*curses_program(forge, raw=True))
    terminal.wait("size 80x24")
    terminal.keys("C-c", "C-z")
    terminal.wait("key3 key26")
    terminal.keys("q")
    terminal.at_prompt()


def test_control_c_ends_what_does_not_handle_it(terminal, forge):
    # Written so that what is typed is not taken for what is printed.
    terminal.run("sh", "-c", "echo wait''ing; exec sleep 1000")
    terminal.wait("waiting")
    terminal.keys("C-c")
    wait_until(lambda: not forge.json("session", "list")["sessions"],
               "the session's end")
    terminal.at_prompt()
    terminal.line("echo status $?")
    terminal.wait("status 130")


def test_stop_and_go_on(terminal, forge):
    """Ctrl-Z gives the shell back; fg gives the program its screen."""
    terminal.run(*curses_program(forge))
    terminal.wait("size 80x24")
    terminal.stop()
    terminal.clear()
    terminal.line("echo in the shell; jobs")
    terminal.wait("in the shell", "Stopped")
    assert forge.json("session", "list")["sessions"] != []
    terminal.line("fg")
    terminal.wait("size 80x24", "bottom")
    terminal.keys("x")
    terminal.wait("key120")
    terminal.keys("q")
    wait_until(lambda: not forge.json("session", "list")["sessions"],
               "the session's end")
    terminal.at_prompt()
    terminal.clear()
    terminal.line("jobs; echo none le''ft")
    assert "Stopped" not in terminal.wait("none left")


def test_stop_of_a_plain_command(terminal):
    terminal.run("sh", "-c", "echo wait''ing; read line; echo got $line")
    terminal.wait("waiting")
    terminal.keys("C-z")
    terminal.wait("Stopped")
    terminal.line("fg")
    # What is typed before may be taken by the shell.
    wait_until(terminal.runs, "fg")
    terminal.line("text")
    terminal.wait("got text")


@pytest.mark.skipif(shutil.which("vi") is None, reason="needs vi")
def test_an_editor(terminal, forge):
    terminal.run("vi", "file.txt")
    terminal.wait("~", "file.txt")
    terminal.keys("i")
    terminal.line("first line")
    terminal.tmux("send-keys", "-t", "t", "-l", "second")
    terminal.keys("Escape")
    terminal.resize(70, 15)
    terminal.wait("second")
    terminal.keys("C-z")    # it stops itself, once its screen is away
    terminal.wait("Stopped")
    terminal.line("fg")
    terminal.wait("first line", "second", "~")
    terminal.line(":wq")
    terminal.at_prompt()
    wait_until(lambda: (workspace(forge) / "file.txt").exists(), "the file")
    assert (workspace(forge) / "file.txt").read_text() == \
        "first line\nsecond\n"


@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_a_pager(terminal, forge):
    (workspace(forge) / "long").write_text(
        "".join(f"line {i}\n" for i in range(1000)))
    terminal.run("less", "long")
    terminal.wait("line 0")
    terminal.keys("G")
    terminal.wait("line 999")
    terminal.keys("g")
    terminal.line("/line 500")
    terminal.wait("line 500")
    terminal.keys("q")
    terminal.at_prompt()


@pytest.mark.skipif(shutil.which("top") is None, reason="needs top")
def test_top_sees_the_sandbox_only(terminal):
    terminal.run("top")
    screen = terminal.wait("Tasks:", "credbro")
    assert "tmux" not in screen and "bash" not in screen
    terminal.keys("q")
    terminal.at_prompt()


def test_a_terminal_that_was_left_raw_is_put_right(terminal, forge):
    """An agent that is killed in its full-screen mode."""
    (workspace(forge) / "raw.py").write_text(
        "import os, signal, tty\ntty.setraw(0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n")
    terminal.run("/usr/bin/python3", "raw.py")
    wait_until(lambda: forge.json("session", "list", "--all")["sessions"] and
               not forge.json("session", "list")["sessions"],
               "the session's end")
    terminal.at_prompt()
    terminal.clear()
    terminal.line("stty -a | tr ' ' '\\n' | grep -cx -e icanon -e echo")
    terminal.wait("2")


def test_nothing_is_typed_into_the_shell(terminal, forge):
    """TIOCSTI from inside, with the very terminal of the shell outside."""
    (workspace(forge) / "type.py").write_text(
        "import fcntl, termios\n"
        "for c in 'touch typed\\n':\n"
        "    try: fcntl.ioctl(0, termios.TIOCSTI, c.encode())\n"
        "    except OSError as e: print('errno', e.errno)\n")
    terminal.line(f"cd {forge.folder}")
    terminal.run("/usr/bin/python3", "type.py")
    terminal.wait("errno 1")
    terminal.line("echo shell go''es on")
    terminal.wait("shell goes on")
    assert not (forge.folder / "typed").exists()
