//go:build linux

package supervise

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// DatagramVariable is the environment variable that hands a worker its part of the UDP port: number, secret and folder, by colon. Like a
// process's memory it can be read by its own user and root only.
const DatagramVariable = "NEXUS_EDGE_DATAGRAMS"

// Datagrams is a UDP port as a worker inherits it. Its workers all hold the same socket, so they must agree who takes which datagram: for
// that they share a secret, and a folder that only they may enter.
type Datagrams struct {
	UDP    *net.UDPConn // the caller closes it
	Number uint16       // this worker's, never given again while the supervisor lives
	Secret string       // 64 hexadecimal digits
	Folder string
}

// shared is what the supervisor keeps for the workers of one UDP port.
type shared struct{ secret, folder string }

// datagramMark follows the socket's name in Variable where the file is a UDP port.
const datagramMark = "#"

// portTries is how often a port that is free for TCP may be found taken for UDP, when any port will do.
const portTries = 16

// bindWith binds a socket, and the UDP ports that go with it.
func (s *Supervisor) bindWith(socket Socket) error {
	if socket.Name != s.config.Datagrams {
		return s.bind(socket)
	}
	if err := s.bindBoth(socket); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(s.addrs[socket.Name])
	for _, group := range s.config.Groups[1:] {
		err = errors.Join(err, s.bindDatagrams(socket.Name, group, net.JoinHostPort(host, "0")))
	}
	return err
}

// bindBoth binds a socket and the UDP port of the same number.
func (s *Supervisor) bindBoth(socket Socket) error {
	for tries := 1; ; tries++ {
		if err := s.bind(socket); err != nil {
			return err
		}
		err := s.bindDatagrams(socket.Name, s.config.Groups[0], s.addrs[socket.Name])
		if err == nil || tries == portTries || !strings.HasSuffix(socket.Addr, ":0") {
			return err
		}
		last := s.files[len(s.files)-1]
		s.files = s.files[:len(s.files)-1]
		if closed := last.Close(); closed != nil {
			return errors.Join(err, closed)
		}
	}
}

// bindDatagrams binds the UDP port of a group.
func (s *Supervisor) bindDatagrams(socket, group, addr string) error {
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	udp, err := net.ListenUDP("udp", at)
	if err != nil {
		return &nexus.Error{Op: "edge listen", Code: nexus.CodeConflict, Subject: "UDP address " + addr, Cause: err,
			Hint: "free the port, or configure another for TLS"}
	}
	f, err := duplicate(udp)
	if err == nil {
		s.files = append(s.files, file{f, socket + datagramMark, group})
	}
	if err = errors.Join(err, udp.Close()); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "nexus-edge-") // 0700
	if err != nil {
		return err
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	s.datagrams[group] = &shared{secret: hex.EncodeToString(secret[:]), folder: folder}
	return nil
}

// env is the variable for a worker.
func (d *shared) env(number int) string {
	return fmt.Sprintf("%s=%d:%s:%s", DatagramVariable, uint16(number), d.secret, d.folder)
}

// inheritDatagrams takes over the file of a UDP port.
func (w *Worker) inheritDatagrams(fd int) error {
	f := os.NewFile(uintptr(fd), "udp")
	c, err := net.FilePacketConn(f)
	if err = errors.Join(err, f.Close()); err != nil { // c has a descriptor of its own
		return err
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return errors.Join(fmt.Errorf("descriptor is a %T", c), c.Close())
	}
	w.udp = udp
	return nil
}

// Datagrams gives the inherited UDP port; value is that of DatagramVariable. nil when there is none.
func (w *Worker) Datagrams(value string) (*Datagrams, error) {
	if w.udp == nil {
		return nil, nil
	}
	parts := strings.SplitN(value, ":", 3)
	if len(parts) == 3 {
		if number, err := strconv.ParseUint(parts[0], 10, 16); err == nil {
			return &Datagrams{UDP: w.udp, Number: uint16(number), Secret: parts[1], Folder: parts[2]}, nil
		}
	}
	return nil, nexus.Errf("edge worker", nexus.CodeMalformed, DatagramVariable, "start the supervisor again", "not number:secret:folder")
}
