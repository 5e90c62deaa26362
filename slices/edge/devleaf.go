package edge

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Leaves that several processes show lie in files, one for each host and term. Time is cut into terms of devLeafTerm, so processes that are asked at the
// same moment, even while one leaf follows another, look for the same name; whoever writes it first has made the leaf for all.
const devLeafFolder = "leaves"

// termOf gives the number of the term that a moment lies in, and when that began.
func termOf(now time.Time) (number int64, began time.Time) {
	number = now.Unix() / int64(devLeafTerm/time.Second)
	return number, time.Unix(number*int64(devLeafTerm/time.Second), 0)
}

// leafFile names the file of a host's leaf. A host's own name may be too long for one, or hold what no file name may.
func (ca *DevCA) leafFile(host string, term int64) string {
	sum := sha256.Sum256([]byte(host))
	return filepath.Join(ca.dir, devLeafFolder, hex.EncodeToString(sum[:16])+"."+strconv.FormatInt(term, 10)+".pem")
}

// sharedLeaf gives the leaf of a host at a moment: that of the folder, or a new one that the folder then has. Without a folder it is a new one.
func (ca *DevCA) sharedLeaf(host string, now time.Time) (*tls.Certificate, error) {
	term, began := termOf(now)
	if ca.dir == "" {
		return ca.makeLeaf(host, began)
	}
	path := ca.leafFile(host, term)
	for try := 0; ; try++ {
		if leaf := ca.readLeaf(path, host, now); leaf != nil {
			return leaf, nil
		}
		leaf, err := ca.makeLeaf(host, began)
		if err != nil {
			return nil, err
		}
		made, err := writeLeaf(path, leaf)
		if err == nil && made {
			return leaf, nil
		}
		if err == nil && try == 0 {
			continue // another process was first
		}
		if err == nil { // what lies there is no leaf of ours: of an authority that was replaced, or damaged
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) || try == leafTries {
			return nil, devCAError(nexus.CodeUnavailable, "file "+path, "make the folder writable", err)
		}
	}
}

// leafTries bounds how often files that are no leaves are removed: somebody else writes them then.
const leafTries = 3

// readLeaf gives the leaf in a file, nil when there is none that this authority made for the host, that holds now and that nobody else could read.
func (ca *DevCA) readLeaf(path, host string, now time.Time) *tls.Certificate {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil || pair.Leaf.CheckSignatureFrom(ca.cert) != nil || pair.Leaf.VerifyHostname(host) != nil || now.After(pair.Leaf.NotAfter) {
		return nil
	}
	return &pair
}

// writeLeaf puts a leaf under its name, whole and only if nothing lies there: made reports whether it did. A crash leaves a file that nobody reads, which
// sweepLeaves removes.
func writeLeaf(path string, leaf *tls.Certificate) (made bool, err error) {
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-") // 0600
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // its other name stays
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for _, der := range leaf.Certificate {
		err = errors.Join(err, pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// sweepLeaves removes the files of terms that are long over, and what a crash left half written. One that cannot be removed harms nobody.
func (ca *DevCA) sweepLeaves(now time.Time) {
	present, _ := termOf(now)
	list, err := os.ReadDir(filepath.Join(ca.dir, devLeafFolder))
	if err != nil {
		return // none yet
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			continue
		}
		parts := strings.Split(e.Name(), ".")
		old := strings.HasPrefix(e.Name(), "new-") && now.Sub(info.ModTime()) > time.Hour
		if len(parts) == 3 {
			term, err := strconv.ParseInt(parts[1], 10, 64)
			old = err == nil && term < present-1
		}
		if old {
			_ = os.Remove(filepath.Join(ca.dir, devLeafFolder, e.Name()))
		}
	}
}
