package edge

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// calibrate finds out how many bytes a small request and its answer are, so that a contract in requests can be said in bytes.
func (r *rig) calibrate(ctx context.Context) error {
	p, err := startOurs(ctx, r, false)
	if err != nil {
		return err
	}
	defer p.stop()
	job := r.victim(p.addr)
	job.Duration = time.Second
	f, err := r.generator(ctx, job)
	if err != nil {
		return err
	}
	if f.Good == 0 {
		return errors.New("how many bytes a request has: the edge answered none in a second")
	}
	r.exchangeBytes = float64(f.Bytes) / float64(f.Good)
	return nil
}

// prepare makes certificates, backends and the home, and gives what ends them.
func (r *rig) prepare() (stop func(), err error) {
	var stops []func()
	stop = func() {
		for i := range stops {
			stops[len(stops)-1-i]()
		}
	}
	if err := r.certificates(); err != nil {
		return nil, err
	}
	for i := range r.backends {
		p, address, err := r.startServing(PartBackend, nil)
		if err != nil {
			stop()
			return nil, err
		}
		stops = append(stops, p.stop)
		r.backends[i] = address
	}
	if r.home, err = r.startHome("home"); err != nil {
		stop()
		return nil, err
	}
	stops = append(stops, r.home.cancel)
	return stop, nil
}

func (r *rig) backendOf(host string) string {
	if host == victimHost {
		return r.backends[0]
	}
	return r.backends[1]
}

// startServing starts a part that says where it serves.
func (r *rig) startServing(part string, job any) (*process, string, error) {
	in, err := json.Marshal(job)
	if err != nil {
		return nil, "", err
	}
	cmd := exec.Command(r.Binary, "bench-part", part)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	p, err := startProcess(cmd)
	if err != nil {
		return nil, "", err
	}
	var address string
	if _, err := fmt.Fscanf(out, "%q\n", &address); err != nil {
		p.stop()
		return nil, "", fmt.Errorf("%s: %w: %s", part, err, p.said)
	}
	return p, address, nil
}

// certificates makes one for all hosts of the peers; the edge makes its own from the same authority.
func (r *rig) certificates() error {
	dir := filepath.Join(r.Dir, "devca")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := edge.OpenDevCA(dir)
	if err != nil {
		return err
	}
	c, err := ca.Certificate(handshakesHost)
	if err != nil {
		return err
	}
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	r.cert, r.key, r.both = filepath.Join(r.Dir, "cert.pem"), filepath.Join(r.Dir, "key.pem"), filepath.Join(r.Dir, "both.pem")
	for file, b := range map[string][]byte{r.cert: chain, r.key: key, r.both: append(append([]byte{}, chain...), key...)} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}
