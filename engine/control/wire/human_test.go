package wire

import "testing"

func TestHuman(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"envelope of IMVU-001 is now 4000 milli-cores, 4294967296 bytes memory, 53687091200 bytes storage, 512 processes": "envelope of IMVU-001 is now 4 cores, " +
			"4 GiB memory, 50 GiB storage, 512 processes",
		"imvu.scale to 250 milli-cores, 536870912 bytes memory": "imvu.scale to 0.25 cores, 512 MiB memory",
		"imvu.scale to 1000 milli-cores":                        "imvu.scale to 1 core",
		"1610612736 bytes":                                      "1.5 GiB",
		"4294967297 bytes":                                      "4.0 GiB (4294967297 bytes)",
		"18446744073709551615 bytes":                            "18446744073709551615 bytes", // no text of ours has twenty digits
		"9223372036854775807 bytes":                             "8.0 EiB (9223372036854775807 bytes)",
		"1023 bytes, 1024 bytes":                                "1023 bytes, 1 KiB",
		"0 bytes memory, 0 milli-cores":                         "0 bytes memory, 0 cores",
		"slice.set live, 1500000 bit/s guaranteed, 0 bit/s":     "slice.set live, 1.5 Mbit/s guaranteed, 0 bit/s",
		"1234567 bit/s, 10000000 bit/s, 2000000000 bit/s":       "1234.567 kbit/s, 10 Mbit/s, 2 Gbit/s",
		"a1000 milli-cores and 12 bits; nothing of 4294967296":  "a1000 milli-cores and 12 bits; nothing of 4294967296",
		"rolled up 7 times":                                     "rolled up 7 times",
		"proposal 4096 bytes\n<b>":                              "proposal 4 KiB\n<b>",
	} {
		if got := Human(text); got != want {
			t.Errorf("%q\nbecomes %q\nwant    %q", text, got, want)
		}
	}
}
