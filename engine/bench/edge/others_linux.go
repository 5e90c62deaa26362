package edge

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// work is processor time used since some moment in the past: by everybody on this machine, and by the bench and its parts.
type work struct {
	at        time.Time
	all, ours time.Duration
}

var errWork = errors.New("/proc/stat: not as proc(5) has it")

// workNow reads both. Parts that have ended count with this process's children, those that live by themselves. Errors: of /proc and getrusage.
func workNow() (work, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return work{}, err
	}
	all, err := parseBusy(b)
	if err != nil {
		return work{}, err
	}
	w := work{at: time.Now(), all: all}
	var ended syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended); err != nil {
		return work{}, err
	}
	living, ok := processorTimeOf(os.Getpid())
	if !ok {
		return work{}, errWork
	}
	w.ours = living + time.Duration(ended.Utime.Nano()+ended.Stime.Nano())
	return w, nil
}

// others gives the share of all processors that others than the bench took since, in percent: other programs, and other machines on the same host as far as
// it says so (steal). What the kernel does in interrupts is nobody's here: the bench's own traffic is the most of it.
func (w work) others(since work) float64 {
	passed := w.at.Sub(since.at) * time.Duration(runtime.NumCPU())
	if passed <= 0 {
		return 0
	}
	return 100 * max(0, float64((w.all-since.all)-(w.ours-since.ours))/float64(passed))
}

// parseBusy reads the first line of /proc/stat (proc(5)): user, nice, system and steal, without idle, waiting for disks, and interrupts. Error: errWork.
func parseBusy(b []byte) (time.Duration, error) {
	const user, nice, system, steal = 1, 2, 3, 8
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) <= steal || string(fields[0]) != "cpu" {
		return 0, errWork
	}
	var ticks int64
	for _, i := range []int{user, nice, system, steal} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil || n < 0 {
			return 0, errWork
		}
		ticks += n
	}
	return time.Duration(ticks) * processorTick, nil
}
