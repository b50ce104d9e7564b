"""Weights from the Hugging Face hub, with one clear message for each way to fail, and the terms they come under."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from atypica.core.errors import SettingsError
from atypica.core.progress import console
from atypica.models.cards import BackboneCard
from atypica.models.parts import INDEX, part_names

FILES = ("model.safetensors", INDEX, "pytorch_model.bin")
"""What weights are called on the hub, best first."""
_LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"
_shown: set[str] = set()


def download(hub_id: str) -> Path:
    """The file of a model's weights on the hub, downloaded once and then taken from the hub's own cache.

    Of weights in several parts it is their index, and the parts lie beside it.

    Raises:
        SettingsError: no access, no such model, no network, or no weights there; the message says what to do.
    """
    with hub_errors(hub_id):
        for name in FILES[:-1]:
            try:
                return _bring(hub_id, name)
            except LocalEntryNotFoundError:
                if kept := _kept(hub_id):
                    return kept
                raise
            except EntryNotFoundError:
                continue
        return _bring(hub_id, FILES[-1])


def _bring(hub_id: str, name: str) -> Path:
    found = Path(hf_hub_download(hub_id, name))
    for part in part_names(found) if name == INDEX else ():
        hf_hub_download(hub_id, part)
    return found


def _kept(hub_id: str) -> Path | None:
    """What an earlier download left in the hub's cache, whatever its name."""
    found = (try_to_load_from_cache(hub_id, name) for name in FILES)
    return next((Path(path) for path in found if isinstance(path, str)), None)


@contextmanager
def hub_errors(hub_id: str) -> Generator[None]:
    """Turns the hub's errors into `SettingsError`, for the length of the block."""
    page = f"https://huggingface.co/{hub_id}"
    try:
        yield
    except GatedRepoError as error:
        raise SettingsError(
            f"{hub_id} is gated, and the hub gave no access to it",
            f"accept its terms or ask for access at {page}, then {_LOG_IN}; or give the weights as a file",
        ) from error
    except RepositoryNotFoundError as error:
        raise SettingsError(
            f"the hub knows no model {hub_id}, or hides it from those who are not logged in",
            f"check the name at {page}, and {_LOG_IN}",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        raise SettingsError(f"the hub cannot be reached for {hub_id}", _elsewhere(hub_id)) from error
    except EntryNotFoundError as error:
        raise SettingsError(
            f"{hub_id} holds none of {', '.join(FILES)}", f"look at {page}/tree/main, and give the weights as a file"
        ) from error
    except HfHubHTTPError as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"the hub refused {hub_id}: {reason}", f"try again later, or {_LOG_IN}") from error


def _elsewhere(hub_id: str) -> str:
    return (
        f"on a machine with access run 'hf download {hub_id} --local-dir FOLDER', bring FOLDER, and give it as weights"
    )


def show_terms(card: BackboneCard) -> None:
    """Say once a process under which terms a restricted model's weights come."""
    if card.restricted and card.name not in _shown:
        _shown.add(card.name)
        for line in terms(card):
            console.print(line, markup=False, soft_wrap=True)


def terms(card: BackboneCard) -> tuple[str, ...]:
    """The terms of a model, a line each."""
    use = {True: "commercial use is allowed", False: "no commercial use", None: "read it before commercial use"}
    return (
        f"{card.title}: {card.license}; {use[card.commercial]}. Its terms: {card.address}",
        "Who loads its weights has accepted them; atypica neither contains nor passes on the weights.",
    )
