package consensus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// cohortsMax cohorts run; whoever comes meanwhile makes up the next one, whole; who gives up is in no cohort.
func TestCohorts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c cohorts
		ended := make(chan struct{})
		first, err := c.enter(t.Context(), ended)
		if err != nil {
			t.Fatal(err)
		}
		var others []*cohort
		for range cohortsMax - 1 {
			co, err := c.enter(t.Context(), ended)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, co)
		}
		got := make(chan *cohort, 10)
		for range 5 {
			go func() {
				co, err := c.enter(t.Context(), ended)
				if err != nil {
					t.Error(err)
				}
				got <- co
			}()
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { _, err := c.enter(ctx, ended); gone <- err }()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("one cohort more runs")
		}
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatalf("gave up with %v", err)
		}
		c.leave(first)
		synctest.Wait()
		if len(got) != 5 {
			t.Fatalf("%d of 5 let in", len(got))
		}
		next := <-got
		for range 4 {
			if co := <-got; co != next {
				t.Error("the waiting make up more than one cohort")
			}
		}
		for range 5 {
			c.leave(next)
		}
		for _, co := range others {
			c.leave(co)
		}
		if c.running != 0 || len(c.waiting) != 0 {
			t.Errorf("%d running, %d waiting at the end", c.running, len(c.waiting))
		}
	})
}

// A group that fails wakes those who wait.
func TestCohortsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c cohorts
		ended := make(chan struct{})
		for range cohortsMax {
			if _, err := c.enter(t.Context(), ended); err != nil {
				t.Fatal(err)
			}
		}
		out := make(chan error, 1)
		go func() { _, err := c.enter(t.Context(), ended); out <- err }()
		synctest.Wait()
		close(ended)
		if err := <-out; !errors.Is(err, errGroupEnded) {
			t.Errorf("%v", err)
		}
	})
}
