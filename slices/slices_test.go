package slices

import (
	"encoding/json"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestClassesAreOneList(t *testing.T) {
	t.Parallel()
	numbers, names := map[Class]bool{}, map[string]bool{}
	for _, spec := range ClassSpecs() {
		if numbers[spec.Class] || names[spec.Name] || spec.Class == 0 {
			t.Errorf("%s is listed twice or numbered 0", spec.Name)
		}
		numbers[spec.Class], names[spec.Name] = true, true
		got, err := ParseClass(spec.Name)
		if err != nil || got != spec.Class || got.String() != spec.Name {
			t.Errorf("%s parses to %v, %v", spec.Name, got, err)
		}
		d := spec.Drop
		if d.TargetMs <= 0 || d.IntervalMs < d.TargetMs || d.MaxWaitMs < d.IntervalMs || d.QueueMax <= 0 ||
			spec.TurnsMax <= 0 || spec.InFlightMax < spec.TurnsMax || spec.SessionsMax <= 0 ||
			spec.DelayBudgetMs <= 0 || spec.Purpose == "" {
			t.Errorf("%s is not fully described: %+v", spec.Name, spec)
		}
	}
	if _, err := ParseClass("Interactive"); nexus.CodeOf(err) != nexus.CodeMalformed ||
		!strings.Contains(err.Error(), "control, realtime, live, video, interactive, default, bulk") {
		t.Errorf("unknown class: %v", err)
	}
}

func TestDefaultIsTheSpecs(t *testing.T) {
	t.Parallel()
	u := nexus.ID{0xa1, 0xb2, 0xc3, 0xd4}
	s := Default(u, "shop")
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if s.Class != ClassInteractive || s.GuaranteedBps != 0 || s.CeilingBps != 0 || s.LatencyBudgetMicros != 10_000 ||
		s.NSSAI() != "01-a1b2c3" || s.ID != Default(u, "shop").ID || s.ID == Default(u, "other").ID {
		t.Errorf("%+v", s)
	}
	var back Slice
	if err := nexus.Decode(nexus.Encode(s), &back); err != nil || back != s {
		t.Errorf("canonical encoding: %+v, %v", back, err)
	}
	var fromJSON Slice
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	err = json.Unmarshal(b, &fromJSON)
	if err != nil || fromJSON != s || !strings.Contains(string(b), `"class":"interactive"`) {
		t.Errorf("JSON %s: %v", b, err)
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for part, edit := range map[string]func(*Slice){
		"class(99)":     func(s *Slice) { s.Class = 99 },
		"id":            func(s *Slice) { s.ID = nexus.ID{} },
		"unit missing":  func(s *Slice) { s.Unit = nexus.ID{} },
		"bad name":      func(s *Slice) { s.Name = "\xff" },
		"sd 000001":     func(s *Slice) { s.SD = 1 },
		"above its":     func(s *Slice) { s.GuaranteedBps, s.CeilingBps = 2, 1 },
		"out of range":  func(s *Slice) { s.GuaranteedBps = 1 << 60 },
		"in flight -1":  func(s *Slice) { s.MaxInFlight = -1 },
		"budget -1 us":  func(s *Slice) { s.LatencyBudgetMicros = -1 },
		"sessions 9999": func(s *Slice) { s.MaxSessions = 99999999 },
	} {
		s := Default(nexus.ID{7}, "x")
		edit(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	slice := func(n byte, guaranteed, ceiling uint64) Slice {
		s := Default(nexus.ID{n}, string('a'+rune(n)))
		s.GuaranteedBps, s.CeilingBps = guaranteed, ceiling
		return s
	}
	existing := []Slice{slice(1, 300, 0), slice(2, 500, 0), slice(3, 0, 0)}
	for _, c := range []struct {
		name     string
		want     Slice
		capacity uint64
		ok       bool
	}{
		{"exactly 90 %", slice(4, 100, 0), 1000, true},
		{"one bit more", slice(4, 101, 0), 1000, false},
		{"a change counts once", slice(2, 600, 0), 1000, true},
		{"a change too far", slice(2, 601, 0), 1000, false},
		{"ceilings overcommit", slice(4, 0, 1<<40), 1000, true},
		{"nothing promised on a shrunken gateway", slice(4, 0, 0), 10, true},
		{"odd capacity rounds down", slice(4, 101, 0), 1001, false},
		{"ten bits carry nine", slice(1, 9, 0), 10, false},
	} {
		err := Admit(existing, c.want, c.capacity)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	err := Admit(existing, slice(4, 101, 0), 1000)
	want := "guarantees of 2 other slices 800 + wanted 101 = 901 bit/s, above 900 = 90 % of the capacity of 1000 bit/s " +
		"(ask for at most 100 bit/s"
	if nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), want) {
		t.Errorf("the arithmetic: %v", err)
	}
	if err := AdmitAll(append(existing, slice(4, 101, 0)), 1000); err == nil || !strings.Contains(err.Error(), `"e"`) {
		t.Errorf("a whole set: %v", err)
	}
	if committed, free := CommittedBps(existing, 1000); committed != 800 || free != 100 {
		t.Errorf("committed %d, free %d", committed, free)
	}
	if reservable(^uint64(0)) < ^uint64(0)/100*90 || addSaturating(^uint64(0), 1) != ^uint64(0) {
		t.Error("large numbers overflow")
	}
}

func FuzzParseClass(f *testing.F) {
	for _, s := range ClassSpecs() {
		f.Add(s.Name)
	}
	f.Add("")
	f.Add("class(1)")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseClass(s)
		if err == nil && c.String() != s {
			t.Errorf("%q parsed to %v", s, c)
		}
		if err != nil && c != 0 {
			t.Errorf("%q refused with class %v", s, c)
		}
		var text Class
		if textErr := text.UnmarshalText([]byte(s)); text != c || (textErr == nil) != (err == nil) {
			t.Errorf("%q as text: %v, %v", s, text, textErr)
		}
	})
}

// TestJudgeAllEdges: a minute is kept where it was kept at each edge.
func TestJudgeAllEdges(t *testing.T) {
	t.Parallel()
	kept, broken := Minute{Samples: 100, AddedP99: 10}, Minute{Samples: 100, AddedP99: 2000}
	worse, void := Minute{Samples: 100, AddedP99: 3000}, Minute{Samples: 100, AddedP99: 5000, BaselineP99: 5000}
	for _, c := range []struct {
		edges  []Minute
		level  Level
		decide int64 // AddedP99 of the minute that decided
	}{
		{nil, LevelNone, 0}, {[]Minute{{}, {Samples: 3, AddedP99: 9000}}, LevelNone, 9000},
		{[]Minute{kept, {}}, LevelKept, 10}, {[]Minute{void, {}}, LevelVoid, 5000},
		{[]Minute{void, kept}, LevelKept, 10}, {[]Minute{kept, broken, worse, void}, LevelBroken, 3000}, {[]Minute{worse, broken, kept}, LevelBroken, 3000},
	} {
		if level, m := JudgeAll(c.edges, 1000); level != c.level || m.AddedP99 != c.decide {
			t.Errorf("%+v: level %d by %+v, want %d by %d", c.edges, level, m, c.level, c.decide)
		}
	}
}
