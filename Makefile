# Warble. `make` without a target prints the list below. The recipes only call programs: `devstack` runs
# the local system, `operate` has the operators' commands; the others are in tools, tests, bench, deploy
# and requirements.

SHELL := /bin/sh
.DEFAULT_GOAL := help
RUN := .venv/bin/python
LOCAL := $(RUN) -m devstack
OPERATE := $(RUN) -m operate
VENV := @devstack/venv.sh

# Images for containers set this. Here it would make each process compile its modules again.
unexport PYTHONDONTWRITEBYTECODE

# Fails unless the variable was given as an argument of make. The environment does not count, because
# some systems set NAME in every shell.
required = @$(if $(filter command,$(firstword $(origin $(1)))),:,echo 'An argument is missing: make $@ $(2)' >&2; exit 2)

.PHONY: help up down reset status logs user invite admin demo import backup restore replay rebuild backfill erasures compose-test test test-slow chaos check audit sbom secrets fuzz bench documents dashboards accept-screenshots screenshots lock

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

up: ## start everything; settings are variables: `WARBLE_PORT=9000 FEED_REPLICAS=2 make up`
	$(VENV) local
	@$(LOCAL) up

down: ## stop everything, keep the data
	@if [ -x $(RUN) ]; then $(LOCAL) down; else echo 'Nothing is running: .venv does not exist yet.'; fi

reset: ## stop everything and delete the data; asks first, `YES=1 make reset` does not
	$(VENV) local
	@$(LOCAL) reset

status: ## show which programs run and whether they are healthy
	$(VENV) local
	@$(LOCAL) status

logs: ## S=feed: follow the logs of a service
	$(call required,S,S=feed)
	$(VENV) local
	@$(LOCAL) logs -- "$$S"

user: ## NAME="Ann Kim": add a person and print the key
	$(call required,NAME,NAME="Ann Kim")
	$(VENV) local
	@$(OPERATE) user -- "$$NAME"

invite: ## NAME="Ann Kim": add a person and print a link that gives them their key, once
	$(call required,NAME,NAME="Ann Kim")
	$(VENV) local
	@$(OPERATE) invite -- "$$NAME"

admin: ## list the administrators; PERSON="Ann Kim" adds one, with REMOVE=1 removes the role
	$(VENV) local
	@$(OPERATE) administrator \
		$(if $(PERSON),$(if $(filter 1,$(REMOVE)),remove,add) -- "$$PERSON",list)

demo: ## add example people and tweets; one has the key `test`; SIGN_ON=1 adds an identity provider
	$(VENV) $(if $(filter 1,$(SIGN_ON)),dev,local)
	@$(RUN) -m tools.seed.demo
	@$(if $(filter 1,$(SIGN_ON)),$(RUN) -m tools.seed.sign_on)

import: ## GRAPH=edges.txt [UNDIRECTED=1]: import people and follows from an edge list
	$(call required,GRAPH,GRAPH=edges.txt [UNDIRECTED=1])
	$(VENV) local
	@$(RUN) -m tools.seed.graph "$$GRAPH" $(if $(filter 1,$(UNDIRECTED)),--undirected)

replay: ## SERVICE=feed: move a service's dead letters back to its queues
	$(call required,SERVICE,SERVICE=feed)
	$(VENV) local
	@$(OPERATE) replay -- "$$SERVICE"

erasures: ## print the numbers of erased people; LIST=erased.txt erases them again after a restore
	$(VENV) local
	@$(OPERATE) $(if $(LIST),erase-again < "$$LIST",erased)

backup: ## [TO=folder]: save databases and pictures of one moment while everything runs
	$(VENV) local
	@$(OPERATE) backup -- $(if $(TO),"$$TO")

restore: ## FROM=folder: replace all data by a backup; asks first, `YES=1 make restore` does not
	$(call required,FROM,FROM=.local/backups/…)
	$(VENV) local
	@$(OPERATE) restore -- "$$FROM"

rebuild: ## SERVICE=feed: build a projection again from the stored events, while the old one serves
	$(call required,SERVICE,SERVICE=feed)
	$(VENV) local
	@$(OPERATE) rebuild -- "$$SERVICE"

backfill: ## SERVICE=feed: apply stored events that a service has not received
	$(call required,SERVICE,SERVICE=feed)
	$(VENV) local
	@$(OPERATE) backfill -- "$$SERVICE"

compose-test: ## build and run docker-compose.yml and test it; needs root and a Docker engine
	$(VENV) dev
	@deploy/compose/test/run.sh

test: ## run the tests, except slow ones, on their own ports and data, even while `make up` runs
	$(VENV) dev
	@$(RUN) -m pytest

test-slow: ## run what takes longer: chaos, an upgrade, fuzzing, a million rows, more examples
	$(VENV) dev
	@$(RUN) -m pytest -m 'slow or property' --hypothesis-profile=many

chaos: ## inject faults into a separate system under load; SEED=… ONLY=killed_processes
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m tests.chaos $(if $(SEED),--seed "$$SEED") $(if $(SHARE),--share "$$SHARE") $(ONLY)

fuzz: ## send thousands of generated calls, different ones each time; EXAMPLES=100 per operation
	$(VENV) dev
	@WARBLE_FUZZ_EXAMPLES=$${EXAMPLES:-100} WARBLE_FUZZ_SEED=$$(date +%s) \
		$(RUN) -m pytest -m '' --timeout=0 tests/journeys/test_document.py tests/gateway/test_parsers.py

check: ## check format, lint, types, import contracts, generated files, secrets and advisories
	$(VENV) dev
	@tools/check.sh

audit: ## look up known vulnerabilities of the locked packages; fails if no database can be reached
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m tools.supply_chain audit

sbom: ## write a CycloneDX bill of materials per image to .local/sbom
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m tools.supply_chain sbom

secrets: ## search every version of every file in the git history for secrets
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m tools.supply_chain secrets

bench: ## measure a separate system and write bench/RESULTS.md; ONLY=post,like runs some scenarios
	$(VENV) bench
	@ONLY="$(ONLY)" QUICK="$(QUICK)" GRAPH="$(GRAPH)" PYTHONPATH=.:libs $(RUN) -m bench

documents: ## generate the documents that come from the code
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) tools/generate_docs.py

dashboards: ## generate the Grafana dashboards
	$(VENV) dev
	@$(RUN) -m deploy.monitoring.grafana.generate

accept-screenshots: ## accept how the parts of the page look now; look at the changed pictures before you commit
	$(VENV) dev
	@WARBLE_ACCEPT_PICTURES=1 $(RUN) -m pytest -n0 -m '' tests/web/test_component_screenshots.py

screenshots: ## take the pictures in docs/images, from a system with the example data
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) tools/screenshots.py

lock: ## resolve all dependencies again and write requirements/
	$(VENV) dev
	@requirements/lock.sh
