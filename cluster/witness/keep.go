package witness

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	stdslices "slices"

	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// keep writes the newest cosigned checkpoint. It is a memory, not a promise: what is lost is asked for again, so nothing waits for the disk.
func keep(path, note string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteString(note)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
	}
	return err
}

// recall takes up what was kept: how far each witness is, and the cosignatures of the head as it still stands. What does not verify is
// forgotten.
func (f *Feeder) recall(keys []verify.WitnessKey) {
	if f.c.File == "" {
		return
	}
	b, err := os.ReadFile(f.c.File)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.c.Logger.Warn("kept cosignatures not readable", "component", "witness", "file", f.c.File, "error", err)
		}
		return
	}
	note := string(b)
	kept, err := parseTree(note)
	sigs := stdslices.DeleteFunc(verify.Cosignatures(note, keys), func(s verify.Cosignature) bool { return s.Seconds > secondsMax })
	if err != nil || len(sigs) == 0 {
		f.c.Logger.Warn("kept cosignatures are of none of the witnesses", "component", "witness", "file", f.c.File, "error", err)
		return
	}
	head := f.c.Log.Head()
	if head.Note != "" && kept.size > head.Size {
		f.c.Logger.Error("witnesses cosigned more entries than this log has: it was put back to an earlier state", "component", "witness",
			"cosigned", kept.size, "size", head.Size, "file", f.c.File)
	}
	r := &round{head: head, settled: true, sigs: sigs}
	now := head.Note != "" && kept.body == bodyOf(head.Note)
	for _, w := range f.witnesses {
		for _, s := range sigs {
			if s.Key != w.Key {
				continue
			}
			w.size, w.seconds = kept.size, s.Seconds
			if now {
				w.last = r
			}
		}
	}
	if now {
		f.rounds = append(f.rounds, r)
		f.published = r.cosigned()
	}
}

func bodyOf(note string) string {
	t, err := parseTree(note)
	if err != nil {
		return ""
	}
	return t.body
}
