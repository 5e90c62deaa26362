package tui

import (
	"io"
	"os"

	"github.com/BobbyBlanco400/nexus-cos/tui/answers"
)

// localKeys is a terminal of this machine whose reports are no keys. It stays a file, so that the renderer finds the terminal
// behind it and its reads can be given up.
type localKeys struct {
	*os.File
	keys *answers.Reader
}

func (f localKeys) Read(p []byte) (int, error) { return f.keys.Read(p) }

// keysOf gives what the program reads. Input that is no file goes through a pipe: a read of a file can be given up when the terminal
// is lent to the guide, while one of a stream goes on and would swallow the first key meant for another. done gives the pipe back;
// the goroutine that fills it ends with in, or with the next byte of it.
func keysOf(in io.Reader) (keys io.Reader, done func(), err error) {
	if in == nil {
		return nil, func() {}, nil
	}
	if f, ok := in.(*os.File); ok {
		return localKeys{f, answers.New(f)}, func() {}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		_, _ = io.Copy(w, nonEmpty{answers.New(in)}) // ends with in, or when nobody reads any more
		_ = w.Close()
	}()
	return r, func() { _ = r.Close() }, nil
}

// nonEmpty reads until something was typed: io.Copy gives up on many empty reads.
type nonEmpty struct{ io.Reader }

func (n nonEmpty) Read(p []byte) (int, error) {
	for {
		if k, err := n.Reader.Read(p); k > 0 || err != nil {
			return k, err
		}
	}
}
