package sshd

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// RecordMost bounds the file of one recorded session, in bytes.
const RecordMost = 64 << 20

// recordTail is kept free for the line that says that the file is full, in bytes.
const recordTail = 128

// recordNotice is the first line of a recorded session, in the recording too.
const recordNotice = "nexus: this session is recorded (what you see, not what you type)\n"

// Recording is what was written of a session. SHA256 is of the bytes as they were written, not as somebody finds them later.
type Recording struct {
	Session    string // its id
	Key        nexus.PublicKey
	File       string    // path
	Start, End time.Time // by one clock that does not jump
	Bytes      int64
	SHA256     nexus.Hash
	Truncated  bool // the file ends before the session did: it was full, or could not be written
}

// recorder writes a session as asciicast v2 (docs.asciinema.org/manual/asciicast/v2): a header, then one line an event. Each line is
// one write, so a crash leaves whole lines. Bytes that are no UTF-8 are written as U+FFFD. Safe for concurrent use.
type recorder struct {
	most int64 // bytes of the file
	say  io.Writer

	mu    sync.Mutex // guards all below
	file  *os.File
	sum   hash.Hash
	info  Recording
	split map[*tee][]byte // the beginning of a character whose rest has not come
	err   error           // why nothing is written any more; errFull when it is the bound
	owed  string          // what the user is told with the next output
}

var errFull = errors.New("the recording is full")

// Running reports whether a file is the recording of a session that still lasts, on this machine, or whose end is being handed over.
func Running(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // read only, and gives the lock back
	err = osfile.TryLockShared(f)
	if osfile.Held(err) {
		return true, nil
	}
	return false, err
}

// recordFolder makes the folder of recordings, or refuses one that others may read.
func recordFolder(dir string) error {
	bad := func(hint string, err error) error {
		return nexus.Errf("record ssh sessions", nexus.CodeUnfit, dir, hint, "%w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return bad("give another --ssh-record folder", err)
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return bad("chmod 700 "+dir, fmt.Errorf("mode %04o: others may read what sessions showed", info.Mode().Perm()))
	}
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".probe-*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		return bad("give another --ssh-record folder", err)
	}
	return nil
}

// record begins the recording of a session.
func record(dir string, most int64, s *Session, now time.Time) (*recorder, error) {
	path := filepath.Join(dir, now.UTC().Format("20060102T150405Z")+"-"+s.ID+".cast")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	// While the session lasts its file is locked, which a node that is killed cannot leave behind: so nexus ssh verify tells the two apart.
	if err := osfile.TryLock(file); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	r := &recorder{most: most, say: s.Err, file: file, sum: sha256.New(), split: map[*tee][]byte{},
		info: Recording{Session: s.ID, Key: s.Key, File: path, Start: now}}
	type header struct {
		Version   int               `json:"version"`
		Width     int               `json:"width"`
		Height    int               `json:"height"`
		Timestamp int64             `json:"timestamp"`
		Command   string            `json:"command,omitempty"`
		Title     string            `json:"title"`
		Env       map[string]string `json:"env,omitempty"`
	}
	h := header{Version: 2, Width: 80, Height: 24, Timestamp: now.Unix(), Command: s.Command, Title: "nexus ssh session " + s.ID + " of " + s.Name}
	if s.Terminal {
		h.Width, h.Height, h.Env = s.Size[0], s.Size[1], map[string]string{"TERM": s.Term}
	}
	if r.line(h, most); r.err != nil {
		return nil, errors.Join(r.err, file.Close(), os.Remove(path))
	}
	return r, nil
}

// line appends one line of JSON while the file has at most so many bytes. The caller holds mu, or nobody else knows r yet.
func (r *recorder) line(v any, most int64) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if r.err = e.Encode(v); r.err != nil { // of texts and numbers alone: never
		return
	}
	if r.info.Bytes+int64(out.Len()) > most {
		r.err = errFull
		return
	}
	n, err := r.file.Write(out.Bytes())
	if err != nil && r.file.Truncate(r.info.Bytes) == nil {
		n = 0 // no half line stays
	}
	r.sum.Write(out.Bytes()[:n])
	r.info.Bytes += int64(n)
	r.err = err
}

// event appends what happened now, and owes the user a word when it is the first that could not be. The caller holds mu.
func (r *recorder) event(kind, data string) {
	if r.err != nil {
		return
	}
	micros := time.Since(r.info.Start).Microseconds()
	at := json.Number(fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6))
	if r.line([]any{at, kind, data}, r.most-recordTail); r.err == nil {
		return
	}
	r.info.Truncated = true
	if !errors.Is(r.err, errFull) {
		r.owed = "nexus: the recording cannot be written: what follows is not recorded\n"
		return
	}
	if r.line([]any{at, "o", "\r\nnexus: the recording is full and ends here\r\n"}, r.most); r.err == nil {
		r.err = errFull
	}
	r.owed = fmt.Sprintf("nexus: the recording is full at %d bytes: what follows is not recorded\n", r.most)
}

// output takes what a stream showed.
func (r *recorder) output(from *tee, p []byte) {
	r.mu.Lock()
	if r.file == nil { // over
		r.mu.Unlock()
		return
	}
	text := append(r.split[from], p...)
	whole := len(text) - unfinished(text)
	r.split[from] = append([]byte(nil), text[whole:]...)
	if whole > 0 {
		r.event("o", string(text[:whole]))
	}
	owed := r.owed
	r.owed = ""
	r.mu.Unlock()
	if owed != "" {
		_, _ = io.WriteString(r.say, owed) // a client that is gone needs no word
	}
}

// resize takes a new size of the window.
func (r *recorder) resize(z Size) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.event("r", fmt.Sprintf("%dx%d", z[0], z[1]))
	}
}

// close ends the recording and gives what was written, and what lets go of the file's lock. The error is a failed write, not a full file.
func (r *recorder) close(now time.Time) (Recording, func(), error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rest := range r.split {
		if len(rest) > 0 {
			r.event("o", string(rest))
		}
	}
	err := r.err
	if errors.Is(err, errFull) {
		err = nil
	}
	file := r.file
	err = errors.Join(err, file.Sync(), osfile.SyncDir(filepath.Dir(r.info.File)))
	r.file = nil
	r.info.End, r.info.SHA256 = r.info.Start.Add(now.Sub(r.info.Start)), nexus.Hash(r.sum.Sum(nil))
	return r.info, func() { _ = file.Close() }, err // what was written is synced
}

// unfinished counts the bytes at the end that begin a character whose rest has not come.
func unfinished(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// tee hands on what is written, and has the recorder note what went out.
type tee struct {
	io.Writer
	rec *recorder
}

func (t *tee) Write(p []byte) (int, error) {
	n, err := t.Writer.Write(p)
	if n > 0 {
		t.rec.output(t, p[:n])
	}
	return n, err
}
