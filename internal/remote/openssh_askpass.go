package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The program that ssh starts to ask something is this one, under another name,
// with the socket of whoever runs ssh in its environment. Nothing that is asked or
// answered is in an argument of ours, in a file or in the environment.
const (
	askpassName     = "vmo-askpass"
	askpassVariable = "VMO_ASKPASS"

	// askpassTimeout is for what takes no time: only people are waited for without
	// an end.
	askpassTimeout = 10 * time.Second

	maxQuestion = 64 << 10
)

type askpassQuestion struct {
	Prompt string `json:"prompt"`
	Hint   string `json:"hint"` // SSH_ASKPASS_PROMPT: "", "confirm" or "none"
}

type askpassAnswer struct {
	Answer string `json:"answer"`
	OK     bool   `json:"ok"`
}

// Askpass passes a question of ssh on to the program that runs ssh, if that is what
// this process was started for, and reports the exit code. A main function has to
// call it before anything else.
func Askpass() (code int, asked bool) {
	socket := os.Getenv(askpassVariable)
	// Not by the environment alone: whatever else ssh starts has that too.
	if socket == "" || filepath.Base(os.Args[0]) != askpassName {
		return 0, false
	}
	q := askpassQuestion{Hint: os.Getenv("SSH_ASKPASS_PROMPT")}
	if len(os.Args) > 1 {
		q.Prompt = os.Args[1]
	}
	answer, err := passOn(socket, q)
	if err != nil || !answer.OK {
		return 1, true // ssh takes it for a refusal
	}
	if _, err := fmt.Println(answer.Answer); err != nil {
		return 1, true
	}
	return 0, true
}

func passOn(socket string, q askpassQuestion) (a askpassAnswer, err error) {
	conn, err := net.DialTimeout("unix", socket, askpassTimeout)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return a, err
	}
	return a, json.NewDecoder(io.LimitReader(conn, maxQuestion)).Decode(&a)
}
