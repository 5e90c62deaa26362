package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	devCACertFile = "dev-ca.pem"
	devCAKeyFile  = "dev-ca.key"
	devCALife     = 10 * 365 * 24 * time.Hour
	devLeafLife   = 13 * 24 * time.Hour // browsers take a certificate by its hash (WebTransport) for 14 days at most
	devLeafTerm   = devLeafLife * 2 / 3 // after which the next one is shown
	// devLeavesMax bounds the leaves kept; beyond it an arbitrary one is made again when asked for.
	devLeavesMax = 4096
)

// DevCA is a certificate authority of this machine's own for development: browsers trust it only after its certificate
// was installed by hand. It makes one leaf per host, never a wildcard, so that no unit's certificate speaks for
// another's host. Processes with the same folder show the same leaves: what a browser took an exception for in one worker or edge holds for the
// others, and over a restart. Safe for concurrent use.
type DevCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string // "": in memory only

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
	failed map[string]CertStatus // the last attempt for a host, if it failed
}

// OpenDevCA reads the authority in dir, or makes one there: dev-ca.pem, and dev-ca.key with mode 0600; leaves come to lie below, in leaves. With dir
// "" it lives in memory only. The key is written before the certificate: a crash between leaves a key that the next call replaces. A key that others
// may read, or that is not the certificate's, is refused.
func OpenDevCA(dir string) (*DevCA, error) {
	if dir == "" {
		return makeDevCA("")
	}
	if _, err := os.Stat(filepath.Join(dir, devCACertFile)); errors.Is(err, fs.ErrNotExist) {
		return makeDevCA(dir)
	}
	return readDevCA(dir)
}

func devCAError(code nexus.Code, subject, hint string, cause error) error {
	return &nexus.Error{Op: "development certificates", Code: code, Subject: subject, Hint: hint, Cause: cause}
}

func readDevCA(dir string) (*DevCA, error) {
	certPath, keyPath := filepath.Join(dir, devCACertFile), filepath.Join(dir, devCAKeyFile)
	info, err := os.Stat(keyPath)
	if err != nil {
		return nil, devCAError(nexus.CodeCorrupt, "key file "+keyPath, "remove "+certPath+" to make a new authority", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, devCAError(nexus.CodeUnfit, "key file "+keyPath, "chmod 600 "+keyPath,
			errors.New("mode "+info.Mode().Perm().String()+" lets others read it"))
	}
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, devCAError(nexus.CodeCorrupt, "authority in "+dir, "remove both files to make a new one", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA || time.Now().After(pair.Leaf.NotAfter) {
		return nil, devCAError(nexus.CodeCorrupt, "authority in "+dir, "remove both files to make a new one",
			errors.New("not a valid certificate authority, or expired"))
	}
	ca := &DevCA{cert: pair.Leaf, key: key, dir: dir, leaves: map[string]*tls.Certificate{}, failed: map[string]CertStatus{}}
	ca.sweepLeaves(time.Now())
	return ca, nil
}

func makeDevCA(dir string) (*DevCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, devCAError(nexus.CodeInternal, "authority", "", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "Nexus COS development authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(devCALife), KeyUsage: x509.KeyUsageCertSign,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, devCAError(nexus.CodeInternal, "authority", "", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, devCAError(nexus.CodeInternal, "authority", "", err)
	}
	ca := &DevCA{cert: cert, key: key, dir: dir, leaves: map[string]*tls.Certificate{}, failed: map[string]CertStatus{}}
	if dir == "" {
		return ca, nil
	}
	return ca, ca.write(dir)
}

func (ca *DevCA) write(dir string) error {
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		return devCAError(nexus.CodeInternal, "authority", "", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	files := []struct {
		name string
		data []byte
		mode fs.FileMode
	}{{devCAKeyFile, keyPEM, 0o600}, {devCACertFile, ca.CertificatePEM(), 0o644}}
	for _, f := range files {
		// Written beside and renamed, so that a crash never leaves half a file under the name.
		target := filepath.Join(dir, f.name)
		if err := os.WriteFile(target+".new", f.data, f.mode); err != nil {
			return devCAError(nexus.CodeUnavailable, "file "+target, "make the folder writable", err)
		}
		if err := os.Rename(target+".new", target); err != nil {
			return devCAError(nexus.CodeUnavailable, "file "+target, "make the folder writable", err)
		}
	}
	return nil
}

// CertificatePEM is the authority's certificate, for installing in a browser.
func (ca *DevCA) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Pool is a pool that trusts this authority and nothing else.
func (ca *DevCA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Certificate gives the leaf of one host, which every process with this folder shows: made by the first that is asked, and another one in the last third
// of its life. Whether the host is served here is the caller's question: the gateway asks for hosts in its table only.
func (ca *DevCA) Certificate(host string) (*tls.Certificate, error) {
	host, err := ParseHost(host)
	if err != nil {
		return nil, err
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	now := time.Now()
	if leaf, ok := ca.leaves[host]; ok && now.Before(leaf.Leaf.NotAfter.Add(devLeafTerm-devLeafLife)) {
		return leaf, nil
	}
	leaf, err := ca.sharedLeaf(host, now)
	if err != nil {
		ca.failed[host] = CertStatus{Error: err.Error(), ErrorAt: now.UTC()}
		return nil, err
	}
	delete(ca.failed, host)
	if len(ca.leaves) >= devLeavesMax {
		for any := range ca.leaves {
			delete(ca.leaves, any)
			break
		}
	}
	ca.leaves[host] = leaf
	return leaf, nil
}

// Status tells of a host's leaf in this process; without one it is made at the first handshake.
func (ca *DevCA) Status(host string) CertStatus {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	s := ca.failed[host]
	s.Source = SourceDevCA
	if leaf, ok := ca.leaves[host]; ok {
		s.NotAfter, s.Renews = leaf.Leaf.NotAfter, leaf.Leaf.NotAfter.Add(devLeafTerm-devLeafLife)
	}
	return s
}

// makeLeaf makes the leaf of a term that began at this time.
func (ca *DevCA) makeLeaf(host string, began time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, devCAError(nexus.CodeInternal, "host "+host, "", err)
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(), NotBefore: began.Add(-time.Hour), NotAfter: began.Add(devLeafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, devCAError(nexus.CodeInternal, "host "+host, "", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, devCAError(nexus.CodeInternal, "host "+host, "", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// newSerial is a random serial number of 127 bits.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}
