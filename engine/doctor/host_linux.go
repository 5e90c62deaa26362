package doctor

import (
	"strings"
	"syscall"
)

func diskOf(path string) (disk, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return disk{}, err
	}
	return disk{kind: uint32(st.Type), readOnly: st.Flags&syscall.MS_RDONLY != 0, free: st.Bavail * uint64(st.Bsize), files: st.Files, freeFiles: st.Ffree}, nil
}

func fileLimit() (uint64, error) {
	var lim syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim)
	return lim.Cur, err
}

func adjtimex() (status int32, maxErrorUs int64, err error) {
	var t syscall.Timex // Modes 0: read only
	_, err = syscall.Adjtimex(&t)
	return t.Status, t.Maxerror, err
}

func kernelRelease() (string, error) {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String(), nil
}
