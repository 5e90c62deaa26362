//go:build !linux

package edge

import (
	"context"
	"io"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func absent() error {
	return nexus.Errf("bench edge", nexus.CodeUnavailable, "this system", "run it on Linux", "the generators need epoll")
}

// Part says that the bench needs Linux.
func Part(context.Context, string, io.Reader, io.Writer) error { return absent() }

// Run says that the bench needs Linux.
func Run(context.Context, Options) (Report, error) { return Report{}, absent() }

// Groups says that the bench needs Linux.
func Groups(context.Context, Options) (Report, error) { return Report{}, absent() }

// Alone says that the bench needs Linux.
func Alone(context.Context, Options) (Report, error) { return Report{}, absent() }
