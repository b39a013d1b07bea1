package journal

import (
	"context"
	"errors"
	"fmt"
)

// Names are those that stand in the list of jobs, for choosing filters.
type Names struct {
	Hosts     []string `json:"hosts"` // "" is this machine
	Targets   []string `json:"targets"`
	Projects  []string `json:"projects"`
	Operators []string `json:"operators"`
	Labels    []string `json:"labels"`
}

// mostNames bounds what is offered of one kind; others can still be typed.
const mostNames = 500

// Names returns what there is to filter by, each in the order of the alphabet.
func (j *Journal) Names(ctx context.Context) (n Names, err error) {
	j.hear(ctx)
	for _, of := range []struct {
		table, column string
		into          *[]string
	}{
		{"job", "host", &n.Hosts}, {"job", "target", &n.Targets}, {"job", "project", &n.Projects}, {"job", "operator", &n.Operators},
		{"label", "text", &n.Labels},
	} {
		if *of.into, err = j.cat.distinct(ctx, of.table, of.column); err != nil {
			return Names{}, err
		}
	}
	return n, nil
}

// distinct hops from one value to the next in the index of its column: 500 names
// among a million jobs are 500 look-ups.
func (c *catalogue) distinct(ctx context.Context, table, column string) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, `WITH RECURSIVE name (v) AS (
		SELECT min(`+column+`) FROM `+table+`
		UNION ALL SELECT (SELECT min(`+column+`) FROM `+table+` WHERE `+column+` > v) FROM name WHERE v IS NOT NULL
	) SELECT v FROM name WHERE v IS NOT NULL LIMIT ?`, mostNames)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	names := []string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return names, nil
}
