package tally

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config configures a Tally. Its zero value works.
type Config struct {
	// Horizon is how old a report may be to be counted, which is how long a
	// store must keep identities; 0 means 400 days.
	Horizon time.Duration
	// Domains are ours; messages of others are counted under Foreign. Empty
	// learns domains from the policies in reports, within Budget.
	Domains []string
	// Tenants have parts of the budget of their own; CheckTenants finds mistakes in them.
	Tenants []Tenant
	// Budget is how many series may exist in all, those of configured domains
	// and of sources aside; 0 means DefaultBudget.
	Budget int
	// Reporters are reporters that have a label of their own whatever others
	// come, beside those that most domains hear of.
	Reporters []string
	// CountConflicts counts a report whose identity is known with other content.
	CountConflicts bool
	// SkipTwins does not count a report that differs from a known one in
	// nothing but its id.
	SkipTwins bool
	// Signers keeps SignerMessages for entries that have Entry.Signers: messages
	// by reporter, domain and the first DKIM and SPF domain of the record. It
	// takes half of the budget and serves dashboards that were made for
	// dmarc-metrics-exporter.
	Signers bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Horizon <= 0 {
		c.Horizon = 400 * 24 * time.Hour
	}
	if c.Budget <= 0 {
		c.Budget = DefaultBudget
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Tally holds the counts that a store has committed, and counts more. Snapshot
// is safe for concurrent use; everything else is for the one goroutine that
// writes the store.
type Tally struct {
	config     Config
	mine       map[string]string // domains and whose they are
	budget     budget
	vocabulary vocabulary
	candidates map[share]*candidates
	vouched    map[share]vouched
	listed     map[string]string // reporters that have a place, as they are spelled

	mu    sync.RWMutex // guards state against Snapshot
	state *state
}

// New returns a Tally that has counted nothing.
func New(config Config) *Tally {
	config = config.withDefaults()
	t := &Tally{
		config: config, vocabulary: newVocabulary(), state: newState(), candidates: map[share]*candidates{},
		listed: map[string]string{}, vouched: map[share]vouched{},
	}
	for _, reporter := range append(slices.Clone(wellKnown), config.Reporters...) {
		reporter = clean(reporter)
		t.listed[foldName(oneCase(reporter))] = reporter
	}
	t.setOwners(config.Domains, config.Tenants)
	return t
}

// listedAs returns how a name that is listed is spelled, nothing for others.
func (t *Tally) listedAs(fold name) string {
	if fold.pool != poolReporter {
		return ""
	}
	return t.listed[fold.value]
}

// ownDomains returns the set of some domains, as reports spell them.
func ownDomains(domains []string) map[string]bool {
	mine := map[string]bool{}
	for _, domain := range domains {
		mine[strings.TrimSuffix(strings.ToLower(strings.TrimSpace(domain)), ".")] = true
	}
	return mine
}

// SetDomains replaces Config.Domains and Config.Tenants, as if the Tally were made
// anew: what is counted from now on is counted by them, and what was counted stays
// where it is. No Delta may be under way.
func (t *Tally) SetDomains(domains []string, tenants ...Tenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setOwners(domains, tenants)
	t.state.used = t.usage(t.state)
}

// Load replaces what was counted by what a store holds.
func (t *Tally) Load(rows *Rows) error {
	s := newState()
	if err := s.set(rows); err != nil {
		return fmt.Errorf("load counts: %w", err)
	}
	s.used = t.usage(s)
	t.mu.Lock()
	t.state = s
	t.mu.Unlock()
	return nil
}

// Update replaces what was counted in some rows, and Rows.Expired, by what another writer
// of the store has made of them. It returns how many rows there are then.
func (t *Tally) Update(rows *Rows) (Held, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.state.set(rows); err != nil {
		return Held{}, fmt.Errorf("update counts: %w", err)
	}
	if len(rows.Sums)+len(rows.Names) > 0 {
		t.state.used = t.usage(t.state)
	}
	return t.state.held(), nil
}

// Begin returns an empty Delta, dated now. It may be called while another one is
// applied, to recognise entries.
func (t *Tally) Begin() *Delta {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return newDelta(t, t.config.Now().UTC())
}

// Apply makes a Delta, which its store has committed, part of the Tally. The
// Delta must be the latest of Begin.
func (t *Tally) Apply(d *Delta) {
	t.mu.Lock()
	d.apply()
	t.mu.Unlock()
}

// Oldest returns the first day whose identities a report can still ask for.
func (d *Delta) Oldest() Day { return DayOf(d.now.Add(-d.t.config.Horizon)) }

// Now returns the time that the Delta is dated with.
func (d *Delta) Now() time.Time { return d.now }
