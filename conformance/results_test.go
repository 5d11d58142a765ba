package conformance

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
)

// recorder collects the result of each test.
type recorder struct {
	mu    sync.Mutex
	last  time.Time
	tests []outcome
	live  io.Writer
}

type outcome struct {
	name, verdict, features string
	took                    time.Duration
}

func (r *recorder) hook(t *testing.T, test suite.ConformanceTest, _ *suite.ConformanceTestSuite) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := outcome{name: test.ShortName, verdict: "PASS", took: time.Since(r.last)}
	if t.Failed() {
		o.verdict = "FAIL"
	} else if t.Skipped() {
		o.verdict = "SKIP"
	}
	for _, f := range test.Features {
		o.features += " " + string(f)
	}
	r.last = time.Now()
	r.tests = append(r.tests, o)
	if r.live != nil {
		fmt.Fprint(r.live, o)
	}
}

func (o outcome) String() string {
	return fmt.Sprintf("%s %-70s %5.1fs%s\n", o.verdict, o.name, o.took.Seconds(), o.features)
}

func (r *recorder) lines() string {
	slices.SortStableFunc(r.tests, func(a, b outcome) int { return cmp.Compare(a.name, b.name) })
	count := map[string]int{}
	var b strings.Builder
	for _, o := range r.tests {
		count[o.verdict]++
		fmt.Fprint(&b, o)
	}
	fmt.Fprintf(&b, "tests: %d passed, %d failed, %d skipped\n", count["PASS"], count["FAIL"], count["SKIP"])
	return b.String()
}

func summary(report *confv1.ConformanceReport) string {
	var b strings.Builder
	for _, p := range report.ProfileReports {
		line := func(s confv1.Statistics) string { return fmt.Sprintf("%d/%d", s.Passed, s.Passed+s.Failed+s.Skipped) }
		fmt.Fprintf(&b, "%s core: %s", p.Name, line(p.Core.Statistics))
		if p.Extended != nil {
			fmt.Fprintf(&b, ", extended: %s", line(p.Extended.Statistics))
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// compare fails if a test that passed before does not pass now. With keep, it writes the names
// of the passed tests to the file; otherwise it prints the new ones. If only one test was run,
// it compares only that one.
func (r *recorder) compare(t *testing.T, file, only string, keep bool) error {
	verdicts := map[string]string{}
	var now []string
	for _, o := range r.tests {
		verdicts[o.name] = o.verdict
		if o.verdict == "PASS" {
			now = append(now, o.name)
		}
	}
	slices.Sort(now)
	if keep {
		return os.WriteFile(file, []byte(strings.Join(now, "\n")+"\n"), 0o644)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before := strings.Fields(string(data))
	for _, name := range before {
		if verdicts[name] != "PASS" && (only == "" || only == name) {
			t.Errorf("%s passed before and doesn't now (%s)", name, cmp.Or(verdicts[name], "not run"))
		}
	}
	for _, name := range now {
		if !slices.Contains(before, name) {
			fmt.Printf("new: %s passes; keep that with ./x conformance --keep\n", name)
		}
	}
	return nil
}
