package answers

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// chunks hands out one piece a read.
type chunks struct{ left []string }

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left[0])
	if c.left[0] = c.left[0][n:]; c.left[0] == "" {
		c.left = c.left[1:]
	}
	return n, nil
}

func typedOf(t *testing.T, pieces ...string) string {
	t.Helper()
	b, err := io.ReadAll(New(&chunks{pieces}))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReportsAreNoKeys(t *testing.T) {
	t.Parallel()
	for name, report := range map[string]string{"DA1": "\x1b[?62;22c", "DA2": "\x1b[>41;354;0c", "OSC 11 ST": "\x1b]11;rgb:1414/1616/1b1b\x1b\\",
		"OSC 11 BEL": "\x1b]11;rgb:1414/1616/1b1b\x07", "palette": "\x1b]4;1;rgb:cdcd/0000/0000\x07", "cursor": "\x1b[24;80R", "cursor page": "\x1b[?24;80;1R",
		"mode": "\x1b[?2026;2$y", "size": "\x1b[8;24;80t", "status": "\x1b[0n", "version": "\x1bP>|tmux 3.3a\x1b\\", "setting": "\x1bP1$r0m\x1b\\",
		"termcap": "\x1bP1+r544e=787465726d\x1b\\", "keyboard": "\x1b[?0u", "sixel": "\x1b[?1;0;256S", "kitty": "\x1b_Gi=31;OK\x1b\\",
		"clipboard": "\x1b]52;c;cmVydW4=\x07"} {
		if got := typedOf(t, "a"+report+"b"); got != "ab" {
			t.Errorf("%s: %q is left", name, got)
		}
		if got := typedOf(t, report, report, "q"); got != "q" {
			t.Errorf("%s twice: %q is left", name, got)
		}
		if strings.HasPrefix(report, "\x1b]") || strings.HasPrefix(report, "\x1bP") {
			for cut := 3; cut < len(report); cut++ {
				if got := typedOf(t, report[:cut], report[cut:]+"q"); got != "q" {
					t.Errorf("%s cut at %d: %q is left", name, cut, got)
				}
			}
		}
	}
}

func TestKeysPass(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"abc", "\x1b", "\x1b[A", "\x1b[1;5C", "\x1b[5~", "\x1b[200~pasted\x1b[201~", "\x1bOP", "\x1b[Z", "\x1b]", "\x1bP", "\x1bf",
		"\x1b[M !!", "\x1b[<0;10;5M", "\x1b[<0;10;5m", "\x1b[97;5u", "日本🙂", "\x1b[I", "\x1b[O", "\x1b[3;2~", "\x1bq", "\x1b\x1b"} {
		if got := typedOf(t, keys); got != keys {
			t.Errorf("%q arrives as %q", keys, got)
		}
	}
}

// A string that never ends does not swallow what is typed later.
func TestAnOpenStringEnds(t *testing.T) {
	t.Parallel()
	if got := typedOf(t, "\x1b]11;", strings.Repeat("x", MostBytes/2), strings.Repeat("x", MostBytes/2), "q"); !strings.HasSuffix(got, "q") {
		t.Errorf("%d bytes, without the key at the end", len(got))
	}
	r := New(&chunks{[]string{"\x1b]11;rgb", "q"}})
	clock := time.Unix(0, 0)
	r.now = func() time.Time { return clock }
	p := make([]byte, 64)
	if n, err := r.Read(p); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	clock = clock.Add(2 * MostTime)
	if n, err := r.Read(p); err != nil || string(p[:n]) != "q" {
		t.Errorf("after %s: %q, %v", 2*MostTime, p[:n], err)
	}
}

// pieces leaves out empty ones.
func pieces(of ...string) (out []string) {
	for _, p := range of {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

func FuzzTyped(f *testing.F) {
	for _, s := range []string{"\x1b]11;rgb:1\x07q", "\x1b[?62c", "a\x1b", "\x1bP>|x\x1b\\"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(cut, 0), len(b))
		r := New(&chunks{pieces(string(b[:cut]), string(b[cut:]))})
		var got []byte
		for p := make([]byte, 64); ; {
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if len(got) > len(b) {
			t.Fatalf("%d bytes of %d", len(got), len(b))
		}
		if !bytes.ContainsRune(b, 0x1b) && !bytes.Equal(got, b) {
			t.Fatalf("%q became %q", b, got)
		}
	})
}
