"""One module a page; each has `page()`. A folder called pages would be taken for one by Streamlit itself."""
