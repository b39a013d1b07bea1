GO ?= go ## which go
.PHONY: go-test go-lint
##@ Go
go-test: ## Test Go code
	$(GO) test ./...
go-lint:
	$(GO) vet ./...
