package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the real program, built once for all tests of this package by TestMain.
var binary string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nexus-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "nexus")
	build := exec.Command("go", "build", "-o", binary, "-ldflags", "-X main.version=test-1 -X main.commit=abc -X main.buildTime=2026-01-31T12:00:00Z", ".")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	recipient := exec.Command("go", "build", "-o", filepath.Join(dir, "nexus-verify"), "../nexus-verify")
	recipient.Stdout, recipient.Stderr = os.Stderr, os.Stderr
	if err := recipient.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return m.Run()
}
