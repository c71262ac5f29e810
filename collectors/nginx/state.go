package nginx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// stateVersion is the version of the state file's form.
const stateVersion = 1

// state is what survives a restart: positions and the counts that belong to
// them, written together, so that no line is lost or counted twice.
type state struct {
	Version  int                 `json:"version"`
	Buckets  []float64           `json:"buckets"`
	Overflow uint64              `json:"overflow"`
	Lines    uint64              `json:"lines"`
	Inputs   map[string]inputRow `json:"inputs"`
	Requests []requestRow        `json:"requests"`
	Timings  []timingRow         `json:"timings"`
	Caches   []cacheRow          `json:"caches"`
}

type inputRow struct {
	Positions []position        `json:"positions,omitempty"`
	Received  uint64            `json:"received"`
	Refused   map[string]uint64 `json:"refused,omitempty"`
}

type requestRow struct {
	Server  string    `json:"server"`
	Method  string    `json:"method"`
	Status  string    `json:"status"`
	Route   string    `json:"route"`
	N       uint64    `json:"n"`
	Created time.Time `json:"created"`
}

type timingRow struct {
	Server   string    `json:"server"`
	Route    string    `json:"route"`
	Duration histogram `json:"duration"`
	Upstream histogram `json:"upstream"`
	Sent     uint64    `json:"sent"`
	Received uint64    `json:"received"`
	Created  time.Time `json:"created"`
}

type cacheRow struct {
	Server  string    `json:"server"`
	Status  string    `json:"status"`
	N       uint64    `json:"n"`
	Created time.Time `json:"created"`
}

// snapshot copies all counts and positions as of one moment.
func (a *AccessLog) snapshot() *state {
	// The files' locks come first: whoever reads a file holds its lock and then takes a.mu.
	for _, in := range a.inputs {
		if in.files != nil {
			in.files.mu.Lock()
			defer in.files.mu.Unlock()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirty = false
	s := &state{
		Version: stateVersion, Buckets: a.config.Buckets, Overflow: a.table.overflow, Lines: a.lines.Load(),
		Inputs: map[string]inputRow{},
	}
	for _, in := range a.inputs {
		row := inputRow{Received: in.received, Refused: map[string]uint64{}}
		for reason, n := range in.refused {
			row.Refused[reason] = n
		}
		if in.files != nil {
			row.Positions = in.files.positions()
		}
		s.Inputs[in.label] = row
	}
	a.table.export(s)
	return s
}

// positions returns where each open file stands. The caller holds mu.
func (s *fileSet) positions() []position {
	all := append(slices.Clone(s.restored), s.finished...) // the restored ones are not yet resumed
	for _, f := range s.open {
		p := f.position
		p.Print = slices.Clone(p.Print)
		all = append(all, p)
	}
	return all
}

// export adds the rows of the table to s.
func (t *table) export(s *state) {
	list := t.names.list
	s.Requests = make([]requestRow, 0, len(t.requests))
	for k, r := range t.requests {
		s.Requests = append(s.Requests, requestRow{list[k.server], methods[k.method], t.statuses[k.status], list[k.route], r.n, r.created})
	}
	s.Timings = make([]timingRow, 0, len(t.timings))
	for k, v := range t.timings {
		s.Timings = append(s.Timings, timingRow{
			list[k.server], list[k.route], v.duration.clone(), v.upstream.clone(), v.sent, v.received, v.created,
		})
	}
	s.Caches = make([]cacheRow, 0, len(t.caches))
	for k, c := range t.caches {
		s.Caches = append(s.Caches, cacheRow{list[k.server], cacheStatuses[k.status], c.n, c.created})
	}
}

// restore takes the rows of s over.
func (t *table) restore(s *state) {
	codes := map[string]uint16{}
	for i, label := range t.statuses {
		if label != "" {
			codes[label] = uint16(i)
		}
	}
	for _, row := range s.Requests {
		key := requestKey{
			server: t.names.add(row.Server), route: t.names.add(row.Route),
			status: codes[row.Status], method: methodIndex([]byte(row.Method)),
		}
		if t.requests[key] == nil {
			t.series++
		}
		t.requests[key] = &requests{row.N, row.Created}
	}
	for _, row := range s.Timings {
		have := t.timing(timingKey{t.names.add(row.Server), t.names.add(row.Route)}, row.Created)
		*have = timings{row.Duration, row.Upstream, row.Sent, row.Received, row.Created}
		for _, h := range []*histogram{&have.duration, &have.upstream} {
			switch {
			case !t.native:
				h.Native, h.Zero = nil, 0
			case h.Native == nil:
				h.Native = map[int]int64{}
			}
		}
	}
	for _, row := range s.Caches {
		status := max(slices.Index(cacheStatuses, row.Status), 0)
		key := cacheKey{t.names.add(row.Server), uint8(status)}
		if t.caches[key] == nil {
			t.series++
		}
		t.caches[key] = &counted{row.N, row.Created}
	}
	t.overflow = s.Overflow
}

// load reads the state file. A missing one is a first start; one that cannot
// be read stops the start, for counting anew would lie.
func (a *AccessLog) load() error {
	data, err := os.ReadFile(a.config.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the access log state: %w", err)
	}
	var s state
	advice := fmt.Sprintf("move %s away to start counting anew", a.config.StateFile)
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("the access log state is damaged: %w: %s", err, advice)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("the access log state has version %d, this program writes %d: %s", s.Version, stateVersion, advice)
	}
	if !slices.Equal(s.Buckets, a.config.Buckets) {
		return fmt.Errorf("the access log state has other histogram buckets than the configuration: %s", advice)
	}
	for _, row := range s.Timings {
		if want := len(s.Buckets) + 1; len(row.Duration.Counts) != want || len(row.Upstream.Counts) != want {
			return fmt.Errorf("the access log state is damaged: a histogram without %d buckets: %s", want, advice)
		}
	}
	a.table.restore(&s)
	a.lines.Store(s.Lines)
	for _, in := range a.inputs {
		row, ok := s.Inputs[in.label]
		if !ok {
			continue
		}
		in.received = row.Received
		for reason, n := range row.Refused {
			in.refused[reason] = n
		}
		if in.files != nil {
			in.files.restored = row.Positions
			in.files.known = true
		}
	}
	return nil
}

// saveInterval is how often the state is written while lines arrive, and so
// how far /metrics may lag behind the log.
const saveInterval = time.Second

// saveUntil saves the state every saveInterval until ctx ends.
func (a *AccessLog) saveUntil(ctx context.Context) {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.saveOrSay()
		}
	}
}

// saveOrSay saves the state and logs when that begins or ceases to fail.
func (a *AccessLog) saveOrSay() {
	err := a.save()
	switch {
	case err != nil && !a.unsaved:
		a.config.Logger.Error("cannot save the access log state; metrics stand still until it can be", "err", err)
	case err == nil && a.unsaved:
		a.config.Logger.Info("the access log state is saved again")
	}
	a.unsaved = err != nil
}

// save writes the state when it has changed, and lets /metrics see it only then:
// what a scrape has seen is never taken back by a crash.
func (a *AccessLog) save() error {
	a.mu.Lock()
	dirty := a.dirty
	a.mu.Unlock()
	if !dirty {
		return nil
	}
	s := a.snapshot()
	err := a.write(s)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.dirty = true
		return err
	}
	a.committed = s
	return nil
}

// write replaces the state file as a whole.
func (a *AccessLog) write(s *state) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(a.config.StateFile), filepath.Base(a.config.StateFile)+".tmp*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), a.config.StateFile)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
