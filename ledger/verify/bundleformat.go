package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The bundle that a unit leaves with (docs/exit.md): a folder of plain files, listed with size and SHA-256 in a manifest, and the node's
// signature over the manifest.

const (
	// BundleFormat is the first field of a manifest and the first line of what is signed.
	BundleFormat = "nexus-bundle-v1"
	// ManifestFile and SignatureFile are the two files that the manifest does not list.
	ManifestFile  = "MANIFEST.json"
	SignatureFile = "MANIFEST.sig"
	// ExportFile holds every entry of the unit, in ExportFormat.
	ExportFile = "export.jsonl"
	// StatementsDir holds a statement per closed month, YYYY-MM.json, and one of what is open since, open-YYYY-MM.json.
	StatementsDir = "statements"
	// ImportedDir holds the bundles with which the unit came from other logs, each in a folder named by the SHA-256 of its manifest.
	ImportedDir = "imported"

	manifestMax = 64 << 20
	bundlesDeep = 16 // bundles within bundles
)

// Manifest lists a bundle.
type Manifest struct {
	Format     string             `json:"format"`
	Cluster    nexus.ID           `json:"cluster"`
	Key        string             `json:"key"` // of the signer as it calls itself; a recipient compares it with the key that it holds
	Unit       ManifestUnit       `json:"unit"`
	Made       time.Time          `json:"made"`
	Checkpoint string             `json:"checkpoint"` // that export.jsonl stands under
	Size       uint64             `json:"ledger_entries"`
	UnitSeq    uint64             `json:"unit_entries"`
	UnitHead   nexus.Hash         `json:"unit_head"`
	Files      []ManifestFileLine `json:"files"`
	NotHeld    []ManifestNote     `json:"not_held"` // by name: what the bundle does not hold, and why
}

// ManifestUnit names the unit.
type ManifestUnit struct {
	ID      nexus.ID        `json:"id"`
	Label   string          `json:"label"` // of the cluster it left
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	Percent uint8           `json:"creator_percent"`
	Owner   nexus.PublicKey `json:"owner_key"`
	Status  string          `json:"status"`
}

// ManifestFileLine is one file. Paths have slashes, whatever the system.
type ManifestFileLine struct {
	Path   string     `json:"path"`
	Size   int64      `json:"size"`
	SHA256 nexus.Hash `json:"sha256"`
	What   string     `json:"what"`
}

// ManifestNote names something that is not there.
type ManifestNote struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Bytes is the manifest as it is written and signed.
func (m *Manifest) Bytes() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(m)
	return out.Bytes(), err
}

// ParseManifest reads a manifest and refuses every spelling but that of Bytes, unknown fields, paths that leave the folder and paths named
// twice. Error: what is wrong with it.
func ParseManifest(b []byte) (Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("not a manifest: %w", err)
	}
	if m.Format != BundleFormat {
		return m, fmt.Errorf("format %q; this version reads %s", m.Format, BundleFormat)
	}
	if again, err := m.Bytes(); err != nil || !bytes.Equal(again, b) {
		return m, fmt.Errorf("not as it was written")
	}
	for i, f := range m.Files {
		switch {
		case !fs.ValidPath(f.Path) || f.Path == "." || f.Path == ManifestFile || f.Path == SignatureFile || f.Size < 0:
			return m, fmt.Errorf("names the file %q", f.Path)
		case i > 0 && m.Files[i-1].Path >= f.Path:
			return m, fmt.Errorf("names %q out of order or twice", f.Path)
		}
	}
	return m, nil
}

// BundleText is what the signature stands over: format, cluster, unit and the SHA-256 of the manifest, a line each.
func BundleText(cluster, unit nexus.ID, manifest []byte) string {
	return fmt.Sprintf("%s\n%s\n%s\n%s\n", BundleFormat, cluster, unit, nexus.Hash(sha256.Sum256(manifest)))
}
