package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// alertmanager is its API.
type alertmanager struct{ url string }

// startAlertmanager starts Alertmanager with our routes and inhibitions. Its
// receivers have no address: nobody is notified.
func startAlertmanager(d *demo) string {
	address := realtest.FreeAddress(d.host)
	cmd := exec.Command(realtest.Need(d.host, "prometheus-alertmanager")["prometheus-alertmanager"], "--config.file=rules/alertmanager.yaml",
		"--storage.path="+d.mkdir("alertmanager"), "--cluster.listen-address=", "--web.listen-address="+address, "--log.level=warn")
	p := realtest.Start(d.host, cmd)
	url := "http://" + address
	p.WaitFor(d.host, func() error { return api{url}.get(context.Background(), "/-/ready", nil, nil) })
	d.targets = append(d.targets, target{job: "alertmanager", address: address})
	return url
}

// inhibited returns for each alert that has arrived whether another one mutes it.
func (a alertmanager) inhibited(ctx context.Context) (map[string]bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/v2/alerts", http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := asker.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var alerts []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&alerts); err != nil {
		return nil, fmt.Errorf("alerts of Alertmanager: %s: %w", answer.Status, err)
	}
	out := map[string]bool{}
	for _, alert := range alerts {
		out[nameOf(alert.Labels)] = len(alert.Status.InhibitedBy) > 0
	}
	return out, nil
}
