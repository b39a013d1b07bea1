##@ Node
NPM ?= npm
.PHONY: node-test
node-test: node_modules ## Test TypeScript
	$(NPM) test
node_modules: package.json
	$(NPM) ci
package.json:
