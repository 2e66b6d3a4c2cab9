"""The documents of all directories as the source of one book, and what is left to do once that is built."""

import html
import json
import os
import re
import shutil
import sys

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
# Where a document of another directory stands in the site.
ELSEWHERE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "admin-ui/README.md": "console.md",
    "bench/COMPARE.md": "beside-others.md",
    "bench/GROWTH.md": "growth.md",
    "bench/RESULTS.md": "figures.md",
    "bench/compare.svg": "compare.svg",
    "bench/growth.svg": "growth.svg",
    "helm/tenantry/README.md": "chart.md",
}
# What a book needs beside its pages, and a site does not.
UNUSED = re.compile(r"(^|/)(fonts|css|FontAwesome)/|highlight|ayu|tomorrow|clipboard|elasticlunr|mark\.min|searcher|^book|toc\.|favicon|\.nojekyll$|^404")


def place(path):
    """Where a file of the repository stands in the site; None if it does not."""
    if os.path.isdir(path):
        path += "/README.md"
    if path.startswith("docs/") and os.path.exists(path) and path != "docs/SUMMARY.md":
        return path[len("docs/"):].replace("README.md", "index.md")
    return ELSEWHERE.get(path)


def moved(text, source):
    """The text of a document with its links as they are in the site: those that lead out of it are words."""
    here = "." if source == "docs/SUMMARY.md" else os.path.dirname(place(source)) or "."

    def link(match):
        picture, words, target = match.groups()
        path, _, heading = target.partition("#")
        if "://" in target or target.startswith(("mailto:", "/")) or not path:
            return match.group(0)
        there = place(os.path.normpath(os.path.join(os.path.dirname(source), path)))
        if there is None:
            return "" if picture else words
        return f"{picture}[{words}]({os.path.relpath(there, here)}{'#' + heading if heading else ''})"

    # Blocks of code are left as they are.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.S | re.M)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def stage(to):
    shutil.copytree("docs", to, ignore=shutil.ignore_patterns("dist", "*.md"))
    shutil.copy("admin-ui/src/icon.svg", to)
    documents = [os.path.join(root, name) for root, _, names in os.walk("docs") for name in names
                 if name.endswith(".md") and not root.startswith("docs/dist")]
    for source in documents + list(ELSEWHERE):
        target = os.path.join(to, "SUMMARY.md" if source == "docs/SUMMARY.md" else place(source))
        with open(source) as read, open(target, "w") as write:
            write.write(moved(read.read(), source))


def finish(site):
    pages = []
    for root, _, names in os.walk(site, topdown=False):
        for name in names:
            path = os.path.join(root, name)
            relative = os.path.relpath(path, site)
            if UNUSED.search(relative) or name.endswith((".toml", ".hbs", ".sh")):
                os.remove(path)
            elif name.endswith(".html"):
                mark(path, relative)
                pages += sections(path, relative)
        if not os.listdir(root):
            os.rmdir(root)
    with open(os.path.join(site, "search.json"), "w") as write:
        json.dump(pages, write, ensure_ascii=False, separators=(",", ":"))


def mark(path, address):
    """Gives the list of chapters its way to the root, and says in it which one this is."""
    with open(path) as read:
        page = read.read()
    head, begin, rest = page.partition('<nav aria-label="Chapters">')
    chapters, end, rest = rest.partition("</nav>")
    chapters = chapters.replace(f'<a href="{address}">', f'<a aria-current="page" href="{address}">', 1)
    chapters = chapters.replace('href="', 'href="' + "../" * address.count("/"))
    with open(path, "w") as write:
        write.write(head + begin + chapters + end + rest)


def sections(path, address):
    """What can be found on a page: its address, title and words, heading by heading."""
    with open(path) as read:
        page = read.read()
    content = page.split('<main id="content" tabindex="-1">')[1].split('<nav class="steps"')[0]
    plain = lambda text: " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
    parts = re.split(r'<h[1-3] id="([^"]*)">(.*?)</h[1-3]>', content, flags=re.S)
    found = [(parts[at], plain(parts[at + 1]), plain(parts[at + 2])) for at in range(1, len(parts), 3)]
    return [[f"{address}#{anchor}", found[0][1], title, words] for anchor, title, words in found]


if __name__ == "__main__":
    {"stage": stage, "finish": finish}[sys.argv[1]](sys.argv[2])
